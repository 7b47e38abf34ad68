"""The sample sources and evaluation prompts: they speak of the world, and only the latter of what it holds out."""

import json
import re
from collections import Counter
from collections.abc import Iterator

import polars as pl
import pytest

from prompts.clean import clean_texts, normalise_texts
from prompts.config import SourceConfig
from prompts.sources import SAMPLES, find_sources, load_prompts
from teachers.miniature.make_samples import FILES, FOLDER, LANGUAGES, evaluated, make_samples
from teachers.miniature.scene import COLOURS, SOLIDS, Scene, all_scenes, parse

_THING = rf"({'|'.join(COLOURS)}) ({'|'.join(SOLIDS)})"
SENTENCE = re.compile(rf"\b{_THING}(?: with an? ({'|'.join(COLOURS)}) nose)?(?: on an? {_THING})?\b")


@pytest.fixture(scope="module")
def plain() -> list[Scene]:
    """Scenes of the plain list."""
    return [parse(line) for line in (SAMPLES / "solids.txt").read_text().splitlines()]


def scenes_of(source: str) -> Iterator[Scene]:
    """Every scene that a source speaks of, whatever is around it."""
    (found,) = find_sources([SourceConfig(path=f"sample:{source}")])
    texts = pl.concat(found.batches())["text"].drop_nulls()
    for text in normalise_texts(clean_texts(texts)["text"]):
        for match in SENTENCE.finditer(text):
            colour, solid, nose, below_colour, below = match.groups()
            yield Scene(colour, solid, nose, (below_colour, below) if below else None)


def test_shipped_files_are_what_the_script_writes(tmp_path):
    assert FOLDER == SAMPLES
    make_samples(tmp_path)
    for name in FILES:
        assert (tmp_path / name).read_bytes() == (SAMPLES / name).read_bytes(), name
    # Parquet files name the version of their writer.
    assert pl.read_parquet(tmp_path / "renders.parquet").equals(pl.read_parquet(SAMPLES / "renders.parquet"))
    assert sum(path.stat().st_size for path in SAMPLES.iterdir()) < 200_000


def test_evaluation_is_of_held_out_scenes_none_twice():
    scenes = [parse(prompt) for prompt in load_prompts("sample:evaluation")]
    assert scenes == evaluated()
    assert len(scenes) == len({scene.words for scene in scenes}) == 100
    assert all(scene.is_held_out for scene in scenes)
    single = {scene for scene in all_scenes() if scene.is_held_out and not scene.nose and not scene.below}
    assert single < set(scenes)


@pytest.mark.parametrize("first", [12, 24, 50, 100])
def test_the_first_few_evaluation_prompts_are_a_fair_part(first):
    scenes = evaluated()[:first]
    noses, stacked = sum(scene.nose is not None for scene in scenes), sum(scene.below is not None for scene in scenes)
    assert 0.15 < noses / first < 0.35 and 0.3 < stacked / first < 0.65
    solids = Counter(solid for scene in scenes for solid in (scene.solid, *(scene.below or ())[1:]))
    assert solids.keys() == set(SOLIDS)
    assert max(solids.values()) <= min(solids.values()) + 2
    colours = {colour for scene in scenes for colour in (scene.colour, scene.nose, *(scene.below or ())[:1])} - {None}
    assert len(colours) >= 11


def test_the_plain_list_has_all_that_may_be_learned_and_more(plain):
    learnable = [scene for scene in all_scenes() if not scene.is_held_out]
    assert len(plain) == len(set(plain)) == 1501
    assert set(plain) <= set(learnable)
    assert {scene for scene in learnable if not scene.nose and not scene.below} < set(plain)
    assert sum(scene.nose is not None for scene in plain) == 440
    shapes = {(scene.solid, scene.below and scene.below[1]) for scene in plain}
    assert len(shapes) == len(SOLIDS) * (1 + len(SOLIDS))


@pytest.mark.parametrize("source", ["solids", "midjourney", "captions", "renders"])
def test_only_planted_leaks_are_held_out(source):
    scenes = list(scenes_of(source))
    assert len(scenes) > 140
    leaks = {scene.words for scene in scenes if scene.is_held_out}
    assert leaks <= {scene.words for scene in evaluated()}
    assert len(leaks) == (3 if source == "midjourney" else 0)


def test_other_languages_speak_of_nothing_held_out():
    rows = json.loads((SAMPLES / "languages.json").read_text(encoding="utf-8"))
    assert Counter(row["lang"] for row in rows) == dict.fromkeys(LANGUAGES, 16)
    for row in rows:
        colours, solids, *_ = LANGUAGES[row["lang"]]
        colour, *other = re.findall("|".join(colours.values()), row["prompt"])
        solid, *below = re.findall("|".join(solids.values()), row["prompt"])
        ours = {name: key for names in (colours, solids) for key, name in names.items()}
        on = (ours[other[0]], ours[below[0]]) if below else None  # without it, the other colour is the background's
        assert not Scene(ours[colour], ours[solid], below=on).is_held_out, row
