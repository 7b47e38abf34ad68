"""The benchmark of deduplication plants what it says and counts it right."""

import re
import subprocess
import sys
from collections import Counter, defaultdict
from pathlib import Path

import polars as pl
import pytest

from benchmarks.dedup import charting, comparing, corpus, measuring, peers, watcher
from benchmarks.dedup.__main__ import main
from benchmarks.dedup.composing import Composer
from benchmarks.dedup.corpus import Corpus
from benchmarks.dedup.negatives import LEAST_TAGS, REPLACED
from benchmarks.dedup.score import kept_of_labels, kept_rows, score
from benchmarks.dedup.words import ARTICLES, STOP_WORDS, known_words, meanings, subject, subject_key, words_of
from infra.errors import PRDError
from prompts.clean import clean_texts
from prompts.normalise import normalise_texts

ROWS = 6000


@pytest.fixture(scope="module")
def rows():
    return list(Corpus(ROWS, seed=5))


@pytest.fixture(scope="module")
def by_kind(rows):
    """Kind → pairs of what it was made from and what it is."""
    found = defaultdict(list)
    for row in rows:
        found[row.kind].append((rows[row.origin_row - 1].bare, row.bare))
    return found


def normalised(texts):
    return normalise_texts(clean_texts(pl.Series(texts, dtype=pl.String))["text"])


def added(old: str, new: str) -> tuple[list[str], list[str]]:
    """Words that only one of two prompts has."""
    one, other = Counter(words_of(old)), Counter(words_of(new))
    return sorted((one - other).elements()), sorted((other - one).elements())


def test_the_same_seed_gives_the_same_corpus(rows):
    assert list(Corpus(ROWS, seed=5)) == rows
    assert {row.bare for row in Corpus(500, seed=6)}.isdisjoint(row.bare for row in rows if row.kind == "base")


def test_a_prompt_does_not_hang_on_those_before_it():
    first, second = Composer(3), Composer(3)
    in_order = [first.prompt(number) for number in range(901)]
    assert [second.prompt(900), second.prompt(7)] == [in_order[900], in_order[7]]


def test_shares_and_origins(rows):
    families = Counter(row.kind.partition("/")[0] for row in rows)
    assert families == {"base": 3960, "hard": 240, "near": 900, "exact": 900}
    heads = {row.cluster: number for number, row in enumerate(rows, start=1) if row.kind.startswith(("base", "hard"))}
    assert sorted(heads) == list(range(4200))
    for number, row in enumerate(rows, start=1):
        if row.kind == "base":
            assert row.origin_row == number
        elif row.kind.startswith("hard"):
            origin = rows[row.origin_row - 1]
            assert origin.kind == "base" and origin.cluster != row.cluster
        else:
            assert row.origin_row == heads[row.cluster]
    for family in ("near", "hard"):  # every kind in its turn
        kinds = Counter(row.kind for row in rows if row.kind.startswith(family))
        assert max(kinds.values()) - min(kinds.values()) <= 1
    wrapped = sum(row.text.startswith("**") or "--" in row.text or "::" in row.text for row in rows)
    assert 0.35 < wrapped / ROWS < 0.46


def test_bases_have_subjects_of_their_own_under_shared_tails(rows):
    bases = [row.bare for row in rows if row.kind == "base"]
    keys = {" ".join(sorted({*words_of(subject(text))} - ARTICLES - STOP_WORDS)) for text in bases}
    assert len(keys) == len(bases)
    tails = Counter(text.partition(", ")[2] for text in bases if text.count(", ") >= LEAST_TAGS)
    shared = sum(count for count in tails.values() if count > 1)
    assert shared > len(bases) / 10 and len(tails) > 500
    assert sum("," not in text for text in bases) > len(bases) / 5
    assert any(text.endswith("?") for text in bases) and any(" " not in text for text in bases if text.isascii())
    assert any(not text.isascii() for text in bases)


def test_tags_are_popular_by_rank():
    composer = Composer(1)
    tags = Counter(tag for number in range(4000) for tag in composer.prompt(number).split(", ")[1:])
    counts = [count for _, count in tags.most_common()]
    assert 300 < len(counts) <= 410
    assert counts[0] > 5 * counts[30] > 2 * counts[150] > 0


@pytest.mark.parametrize("kind", ["bytes", "case", "spaces", "punctuation", "wrapper"])
def test_exact_duplicates_are_equal_to_our_eyes(rows, by_kind, kind):
    pairs = by_kind[f"exact/{kind}"]
    letters = [["".join(filter(str.isalnum, text.lower())) for text in pair] for pair in pairs]
    assert pairs and all(one == other for one, other in letters)
    texts = [(rows[row.origin_row - 1].text, row.text) for row in rows if row.kind == f"exact/{kind}"]
    same = [one == other for one, other in texts]
    assert all(same) if kind == "bytes" else not any(same)


def test_wrappers_come_off(rows):
    """What is shown is what is meant, once the platform's part is gone; by expressions of this test's own."""
    for row in rows[:2000]:
        text = row.text
        if text != row.bare:
            text = re.sub(r"^\*\*(.*)\*\* - [^*]+$", r"\1", text, flags=re.DOTALL)
            text = re.sub(r"^/imagine prompt: ", "", text)
            text = re.sub(r"^(<?https://\S+ )+", "", text)
            text = re.sub(r" (--|—|–)[a-z].*$", "", text, flags=re.DOTALL)
            text = re.sub(r"::[\d.]+$", "", text)
        assert text == row.bare
    kinds = " ".join(row.text for row in rows)
    for part in (
        " - Upscaled (Beta) by <@",
        " - Image #2 <@",
        "/imagine prompt: ",
        "<https://s.mj.run/",
        "::2",
        " —ar ",
    ):
        assert part in kinds


def test_near_duplicates_are_what_they_are_called(by_kind):
    for kind, pairs in by_kind.items():
        family, _, name = kind.partition("/")
        if family != "near":
            continue
        for old, new in pairs:
            assert old != new
            gone, come = added(old, new)
            if name.startswith("typo "):
                assert len(gone) == len(come) == 1
                assert come[0] not in known_words()
                lengths = {"insert": 1, "double": 1, "delete": -1, "replace": 0, "transpose": 0}
                assert len(come[0]) - len(gone[0]) == lengths[name[5:]]
                if name == "typo transpose":
                    assert sorted(come[0]) == sorted(gone[0])
            elif name.startswith("article "):
                assert {*gone, *come} <= ARTICLES
                assert (len(gone), len(come)) == {"added": (0, 1), "dropped": (1, 0), "changed": (1, 1)}[name[8:]]
            elif name == "stop word dropped":
                assert len(gone) == 1 and gone[0] in STOP_WORDS and not come
            elif name in ("words swapped", "segments swapped"):
                assert not gone and not come and words_of(old) != words_of(new)
            elif name in ("tag added", "tag dropped"):
                parts = [Counter(text.split(", ")) for text in (old, new)]
                less, more = parts if name == "tag added" else parts[::-1]
                assert (more - less).total() == 1 and not less - more
                assert subject(old) == subject(new)
            elif name == "tag plural":
                assert subject(old) == subject(new) and abs(len(old) - len(new)) == 1
                assert f"{gone[0]}s" == come[0] or gone[0] == f"{come[0]}s"
            else:
                assert name in ("unit spaced", "word split")
                assert old.replace(" ", "") == new.replace(" ", "")


def test_hard_negatives_are_what_they_are_called(rows, by_kind):
    taken = {subject_key(row.bare) for row in rows if row.kind == "base"}
    assert {kind[5:] for kind in by_kind if kind.startswith("hard/")} == {*REPLACED, "exchanged", "subject"}
    for kind in [*REPLACED, "exchanged", "subject"]:
        for old, new in by_kind[f"hard/{kind}"]:
            tail = old.partition(", ")[2]
            assert new.partition(", ")[2] == tail
            gone, come = ([word for word in words if word not in ARTICLES] for words in added(old, new))
            if kind == "exchanged":
                assert gone == come == [] and words_of(old) != words_of(new)
                continue
            assert subject_key(new) not in taken
            if kind == "subject":
                assert tail.count(", ") >= LEAST_TAGS - 1
            else:
                # Of papier-mache, ice cream or palm-sized, parts may be found as words.
                assert gone and come and len(gone) <= 2
                changed = [
                    (one, other)
                    for one, other in zip(old.split(" "), new.split(" "), strict=True)
                    if one != other and one not in ARTICLES
                ]
                ((one, other),) = changed
                assert {meanings()[word.rstrip(",?").lower()][0] for word in (one, other)} == {kind}


def test_sizes_are_not_exchanged_for_their_synonyms():
    assert "enormous" not in meanings()["huge"][1] and "tiny" in meanings()["huge"][1]


def test_real_texts_are_used_once_and_their_pieces_again():
    texts = [f"the {colour} cabin of {name}, foggy morning" for colour in ("umber", "khaki") for name in "abcdefgh"]
    texts += ["the umber cabin of a, at noon", "**enveloped** --ar 3:2", "", "word " * 80]
    made = list(Corpus(400, 1, texts))
    whole = [row.bare for row in made if row.kind == "base" and row.bare.startswith(tuple(texts[:16]))]
    assert sorted(whole) == sorted(texts[:16])
    assert sum("cabin" in row.bare for row in made) > 16
    assert not any("enveloped" in row.bare or "word word" in row.bare for row in made)


def test_files_hold_the_rows(rows, tmp_path, monkeypatch):
    monkeypatch.setattr(corpus, "_BATCH", 2500)
    prompts, truth = tmp_path / "prompts.parquet", tmp_path / "truth.parquet"
    corpus.write(Corpus(ROWS, 5), prompts, truth)
    assert pl.read_parquet(prompts)["text"].to_list() == [row.text for row in rows]
    expected = [(number, row.cluster, row.kind, row.origin_row) for number, row in enumerate(rows, start=1)]
    assert pl.read_parquet(truth).with_columns(pl.col("kind").cast(pl.String)).rows() == expected


TRUTH = pl.DataFrame(
    {
        "row": [1, 2, 3, 4, 5, 6],
        "cluster": [0, 0, 0, 1, 2, 2],
        "kind": ["base", "near/article added", "exact/case", "base", "hard/colour", "exact/bytes"],
        "origin_row": [1, 1, 1, 4, 4, 5],
    }
)


def test_a_perfect_deduplication():
    found = score(TRUTH, pl.Series([2, 2, 2, 4, 6, 6]))
    assert (found.recall, found.precision, found.lost, found.merged_away, found.hard_merged) == (1, 1, 0, 0, 0)
    assert found.by_kind == {"article added": 1, "bytes": 1, "case": 1} and found.hard_by_kind == {"colour": 0}


def test_nothing_removed():
    found = score(TRUTH, pl.Series([1, 2, 3, 4, 5, 6]))
    assert (found.recall, found.precision, found.lost, found.hard_merged, found.refused) == (0, 1, 0, 0, 0)
    assert set(found.by_kind.values()) == {0}


def test_everything_in_one():
    found = score(TRUTH, pl.Series([1] * 6))
    assert (found.recall, found.precision, found.hard_merged) == (1, 2 / 5, 1)
    assert [found.lost, found.merged_away] == pytest.approx([2 / 3, 2 / 3])


def test_a_hard_negative_that_swallows_its_origin_is_merged():
    found = score(TRUTH, pl.Series([1, 1, 1, 5, 5, 5]))
    assert (found.hard_merged, found.lost, found.precision) == (1, pytest.approx(1 / 3), 3 / 4)
    assert found.recall == 1


def test_one_too_many_removed_does_not_make_up_for_one_that_stayed():
    found = score(TRUTH, pl.Series([1, 2, 1, 1, 5, 5]))
    assert found.recall == pytest.approx(2 / 3) and found.lost == pytest.approx(1 / 3)


def test_refused_rows_are_counted_apart():
    found = score(TRUTH, pl.Series([1, 1, None, None, 5, None], dtype=pl.Int64))
    assert (found.refused, found.recall, found.precision) == (0.5, 1, 1)
    assert found.lost == pytest.approx(1 / 3) and found.merged_away == 0
    assert found.by_kind == {"article added": 1}
    nothing = score(TRUTH, pl.Series([None] * 6, dtype=pl.Int64))
    assert (nothing.refused, nothing.lost, nothing.merged_away, nothing.hard_merged) == (1, 1, 0, 0)


def test_labels_that_cannot_be():
    with pytest.raises(ValueError, match="5 rows"):
        score(TRUTH, pl.Series([1] * 5))
    with pytest.raises(ValueError, match="not for itself"):
        score(TRUTH, pl.Series([1, 1, 2, 4, 5, 5]))
    with pytest.raises(ValueError, match="not for itself"):
        score(TRUTH, pl.Series([None, 1, 1, 4, 5, 5], dtype=pl.Int64))


def test_groups_by_any_label():
    assert kept_of_labels(pl.Series(["x", "y", "x", None, "y"])).to_list() == [1, 2, 1, None, 2]


def test_rows_of_a_corpus():
    clusters = pl.DataFrame(
        {
            "source": ["s"] * 6,
            "source_row": [3, 1, 2, 4, 6, 5],
            "prompt_id": ["b", "a", "b", "c", "d", "e"],
            "kept_prompt_id": ["b", "a", "b", None, "a", "e"],
            "rule": ["exact", "kept", None, "unsafe", "near", None],
        }
    )
    assert kept_rows(clusters).to_list() == [1, 2, 2, None, 5, 1]


def test_the_build_is_measured_and_scored(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    main(["--rows", "1000", "--peers", "--only", "nothing"])
    text = capsys.readouterr().out
    cells = re.search(r"^\| prd corpus build, everything \|(.*)\|$", text, flags=re.MULTILINE)
    assert cells is not None
    recall, precision, lost, hard, refused, cpu, wall, gigabytes, *_ = (
        cell.strip(" %") for cell in cells[1].split("|")
    )
    assert float(recall) > 0.8 and float(precision) > 0.95 and float(lost) < 2 and float(hard) < 5
    assert float(refused) < 5 and min(map(float, (cpu, wall, gigabytes))) > 0
    assert "| negation" in text and "| typo transpose" in text


def test_tools_that_are_not_installed_are_named(tmp_path, monkeypatch):
    monkeypatch.setitem(peers.PEERS, "imaginary", peers.Peer("no_such_tool", lambda texts: []))
    pl.DataFrame({"text": ["a fox", "A fox", "an owl"]}).write_parquet(tmp_path / "prompts.parquet")
    (other,) = comparing.run_peers(sys.executable, ["imaginary"], tmp_path / "prompts.parquet", False, tmp_path)
    assert (other.kept, other.missing) == (None, "no_such_tool is not installed")


PEER = """
import sys
import polars as pl
texts = pl.read_parquet(sys.argv[2])["text"].to_list()
firsts = [next(n for n, other in enumerate(texts) if other[-3:].lower() == one[-3:].lower()) for one in texts]
pl.DataFrame({"kept": firsts}).write_parquet(sys.argv[3])
"""


@pytest.mark.parametrize("raw", [False, True])
def test_what_a_tool_finds_is_brought_back_to_the_rows(tmp_path, monkeypatch, raw):
    (tmp_path / "tool.py").write_text(PEER, encoding="utf-8")
    monkeypatch.setattr(peers, "__file__", str(tmp_path / "tool.py"))
    monkeypatch.setitem(peers.PEERS, "same end", peers.Peer("polars", lambda texts: []))
    texts = ["an owl", "a fox", "A fox.", "red fox", "--ar 3:2", "a fox"]
    pl.DataFrame({"text": texts}).write_parquet(tmp_path / "prompts.parquet")
    (other,) = comparing.run_peers(sys.executable, ["same end"], tmp_path / "prompts.parquet", raw, tmp_path)
    assert other.kept is not None and other.cost is not None and other.cost.wall > 0
    assert other.kept.to_list() == ([1, 2, 3, 2, 5, 2] if raw else [1, 2, 2, 2, None, 2])


def test_memory_and_seconds_are_those_of_the_child():
    ballast = bytearray(b"x") * 300_000_000
    small = measuring.run([sys.executable, "-S", "-c", "sum(range(10**7))"], {}, "a sum")
    assert small.gigabytes < 0.1 < len(ballast) / 1e9
    large = measuring.run([sys.executable, "-S", "-c", "b = bytearray(b'x') * 200_000_000"], {}, "an allocation")
    assert 0.2 < large.gigabytes < 0.3


def test_growth_is_drawn():
    costs = [(100_000, measuring.Cost(1, 2, 0.5, 0.4)), (400_000, measuring.Cost(4, 8, 1, 0.4))]
    chart = charting.growth_chart(costs)
    assert chart.count("<circle") == 8 and "0.4M" in chart and "<svg" in chart
    # What is linear is on the line: the last points of both fall together.
    measured, linear, *_ = re.findall(r'points="([^"]*)"', chart)
    assert measured.split()[-1] == linear.split()[-1]


@pytest.mark.skipif(not Path("/proc/self/smaps_rollup").exists(), reason="needs the memory of processes in /proc")
def test_children_of_a_child_count():
    hold = "b = bytearray(b'x') * 150_000_000; print(flush=True); input()"
    start = (
        f"import subprocess, sys; [subprocess.Popen([sys.executable, '-S', '-c', {hold!r}]) for _ in '12'][0].wait()"
    )
    with subprocess.Popen([sys.executable, "-c", start], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        for _ in "12":
            child.stdout.readline()
        assert 0.3e9 < watcher.resident(child.pid) < 0.4e9
        child.communicate(b"\n\n")


def test_a_child_that_fails_says_why():
    with pytest.raises(PRDError, match=r"a tool failed with status 3\n.*no such thing"):
        measuring.run(
            [sys.executable, "-c", "import sys; print('no such thing', file=sys.stderr); sys.exit(3)"], {}, "a tool"
        )
