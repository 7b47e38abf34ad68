"""Which changes of code and data make the scores others."""

import shutil
from pathlib import Path

import pytest

from prompts.build import build_corpus
from prompts.config import CorpusConfig
from prompts.scores import revision as revision_module
from prompts.scores.registry import SCORERS
from prompts.scores.revision import revision

SCORES = Path(revision_module.__file__).parent


@pytest.fixture
def scores(tmp_path: Path) -> Path:
    """A copy of the scorers, to be edited."""
    return Path(shutil.copytree(SCORES, tmp_path / "scores"))


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("unsafe", "unsafe.py"),
        ("unsafe", "lexicon.py"),
        ("unsafe", "word_hash.py"),
        ("unsafe", "data/unsafe.tsv"),
        ("gibberish", "trigrams.py"),
        ("gibberish", "data/trigrams.npy"),
        ("clip_tokens", "bpe.py"),
    ],
)
def test_what_a_score_comes_from_is_in_its_revision(scores, name, file):
    before = revision([name], scores)
    assert before == revision([name])
    with (scores / file).open("ab") as stream:
        stream.write(b"\n# changed\n")
    assert revision([name], scores) != before
    assert revision(["n_words"], scores) == revision(["n_words"]), "others stay as they are"


def test_nothing_else_is(scores):
    before = {name: revision([name], scores) for name in SCORERS}
    for file in ("registry.py", "config.py", "policy.py"):
        (scores / file).write_text("changed = True\n")
    (scores / "colourful.py").write_text("new = True\n")
    assert {name: revision([name], scores) for name in SCORERS} == before
    assert revision(["n_words", "unsafe"], scores) == revision(["unsafe", "n_words"], scores)


def test_a_changed_scorer_measures_anew(tmp_path, monkeypatch):
    (tmp_path / "a.txt").write_text("a red cube\n")
    config = CorpusConfig(sources=str(tmp_path / "a.txt"))
    root = tmp_path / "corpora"
    build_corpus(config, root)
    build_corpus(config, root)
    assert len(list((root / ".prepared").glob("*/manifest.json"))) == 1
    for module in ("prompts.prepare", "prompts.build"):
        monkeypatch.setattr(f"{module}.revision", lambda names: "another")
    build_corpus(config, root)
    assert len(list((root / ".prepared").glob("*/manifest.json"))) == 2
