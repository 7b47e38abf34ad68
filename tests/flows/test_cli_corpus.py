"""A data engineer's afternoon: look at a source, add it, ask what it brought and why."""

import os
import pty
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest


@pytest.fixture
def corpus(prd, tmp_path):
    """`prd corpus …` on a corpus of one file; (code, output) comes back."""
    (tmp_path / "a.txt").write_text("a red cube\nan old wooden castle\nan old wodden castle\n")
    (tmp_path / "mine.yaml").write_text("extends: miniature\nname: mine\ncorpus: {name: mine, sources: [a.txt]}\n")

    def call(command: str, *arguments: str) -> tuple[int, str]:
        code, out, err = prd("corpus", command, *arguments, "--recipe", "mine.yaml", COLUMNS="140")
        return code, out if code == 0 else err

    return call


def test_from_a_first_look_to_a_larger_version(corpus, tmp_path):
    code, out = corpus("build")
    first = Path(out.splitlines()[-1])
    assert code == 0 and "merged: typo: 1" in out and first.is_dir()

    (tmp_path / "toys.csv").write_text(
        'id,caption\n1,A Red Cube!\n2,"**a [bold]toy[/] --ar 3:2** - <@123456789012345678>"\n'
    )
    code, out = corpus("preview", "toys.csv")
    assert code == 0 and "a [bold]toy[/]" in out, "text of strangers is no markup"
    assert "would be in the corpus" in out and "equals a prompt of the corpus" in out and str(first) in out

    (tmp_path / "more.txt").write_text("a green torus on a table\n")
    own = "{path: toys.csv, field: caption, licence: MIT, weight: 2.5, filters: {n_words: {max: 9}, unsafe: null}}"
    code, out = corpus("add", own)
    second = Path(out.splitlines()[-1])
    assert code == 0 and "prompts: 3" in out and second != first
    assert corpus("add", "toys.csv")[0] == 3, "it is there already"

    assert corpus("add", "a.txt", "corpus.sources=[toys.csv]")[0] == 2
    code, out = corpus("add", "more.txt", "corpus.filters.n_words.max=3")
    assert code == 0 and "refused: n_words: 3" in out, "the changes count"

    code, out = corpus("diff", first.name, second.name)
    assert code == 0 and "same: 2  added: 1  removed: 0" in out
    assert "toys.csv (weight 2.5, n_words max 9, any unsafe)" in out
    code, out = corpus("stats", "--version", second.name)
    assert code == 0 and second.name in out and "prompts in common" in out and "MIT" in out and "2.5" in out
    assert "of them in this split" in out and "lost by source" in out
    assert first.name in corpus("stats", "--version", first.name[:6])[1]


def test_a_prompt_and_its_reasons(corpus):
    code, said = corpus("explain", "a red cube")
    assert code == 4 and "prd corpus build" in said, "nothing is built yet"
    corpus("build")
    code, out = corpus("explain", "an old wodden castle")
    assert code == 0 and "merged: typo" in out and "stands for it: an old wooden castle" in out
    assert "would be new" in corpus("explain", "a teapot")[1]
    for prompt in ("--ar 3:2 a red cube", "- a red cube", "-v 5 a red cube"):
        code, out = corpus("explain", prompt)
        assert code == 0 and "in the corpus" in out, (prompt, out)
    code, said = corpus("explain", "a red cube", "--recpie=x")
    assert code == 2 and "--recpie" in said, "a mistyped option is none"
    code, out = corpus("explain", "**a teapot::2 --v 5** - <@42> (fast)")
    assert "taken out: parameters, weights, wrapper" in out and "parameter weights: 2" in out
    code, out = corpus("explain", "!?")
    assert "would be refused: empty (no letter or digit is left after cleaning)" in out


def test_versions_of_another_corpus(corpus):
    for changes in (["corpus.name=other"], ["--set", "corpus.name=other"], ["feed", "corpus.name=other"]):
        code, said = corpus("diff", "4a4d", *changes)
        assert code == 4 and "no version 4a4d of the corpus other in" in said and "corpus.name=" in said, said


def test_evaluation_prompts_are_named(corpus, tmp_path):
    (tmp_path / "e.txt").write_text("a red cube\n")
    option = "corpus.evaluation_prompts=e.txt"
    assert corpus("build", option)[0] == 0
    code, out = corpus("stats", option)
    assert code == 0 and "evaluation prompts that are kept out" in out and "rows by evaluation_text" in out
    code, out = corpus("explain", "A red cube!", option)
    assert code == 0 and "refused: evaluation_text (equals an evaluation prompt): a red cube" in out


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("{path: a.txt, wieght: 2}", "did you mean 'weight'"),
        ("{path: a.txt, weight: 0}", "weight: Input should be greater than"),
        ("{path: a.txt, filters: {word: {max: 2}}}", "there are n_words"),
        ("{path: a.txt, filters: {n_words: {most: 2}}}", "filters.n_words.most: unknown key; known keys: min, max"),
        ("{path: [", "is not YAML"),
    ],
)
def test_a_source_that_is_mistyped_is_a_message(corpus, source, says):
    code, said = corpus("preview", source)
    assert code == 2 and says in said and "Traceback" not in said, said


def test_sources_name_their_terms(prd):
    code, out, _ = prd("corpus", "sources")
    assert code == 0 and "catalog:diffusiondb" in out and "sample:solids" in out and "terms to accept" in out
    title, *lines = out.splitlines()
    assert title == "# sources" and {len(line.split("\t")) for line in lines} == {4}, "for programs"


def test_sources_at_a_terminal_are_a_line_each(home):
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "flows.cli", "corpus", "sources"]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), "COLUMNS": "80"}
    with subprocess.Popen(command, stdout=theirs, env=environment) as process:
        os.close(theirs)
        out = b""
        with suppress(OSError):  # so a terminal ends
            while part := os.read(ours, 2**16):
                out += part
    os.close(ours)
    assert process.returncode == 0
    (line,) = (line for line in out.decode().splitlines() if line.startswith("catalog:journeydb "))
    assert line.endswith("4,429,295 rows, journeydb-terms (terms to accept).") and "captions by GPT-3.5" in line


def test_numbers_for_programs_are_cells_between_tabs(corpus, tmp_path):
    (tmp_path / "a.txt").write_text("a red\tcube [bold]\n" + "a castle " * 30 + "\n")
    assert corpus("build")[0] == 0
    for command, cells in (
        (("preview", "a.txt"), ["1", "a red cube [bold]", "a red cube bold", "", "known"]),
        (("stats",), ["a", "unknown", "1", "2", "0", "0", "2", "2"]),
        (("explain", "a red cube [bold]"), ["a", "1", "stays"]),
    ):
        code, out = corpus(*command)
        assert code == 0 and "\t".join(cells) in out.splitlines() and "─" not in out, out
