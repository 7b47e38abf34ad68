"""Every format, and every way in which it arrives broken: good rows go on, refused rows say why."""

import gzip
import json
from pathlib import Path

import polars as pl
import pytest

from infra.errors import InputError, UnavailableError
from prompts.config import CorpusConfig, SourceConfig
from prompts.sources import find_sources, load_prompts


def read(path: Path | str, **config) -> tuple[list[tuple[int, str]], list[tuple[int, str]]]:
    """(row, text) of good rows and (row, reason) of refused ones."""
    (source,) = find_sources([SourceConfig(path=str(path), **config)])
    rows = pl.concat(source.batches())
    good = rows.filter(pl.col("reason").is_null()).select("source_row", "text").rows()
    return good, rows.filter(pl.col("reason").is_not_null()).select("source_row", "reason").rows()


@pytest.fixture
def write(tmp_path: Path):
    def make(name: str, content: bytes | str) -> Path:
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return make


def test_text(write):
    path = write("a.txt", b"\xef\xbb\xbfa red cube\r\n\n  \na caf\xe9\na blue cone")
    assert read(path) == ([(1, "a red cube"), (5, "a blue cone")], [(4, "undecodable")])


def test_jsonl(write):
    lines = [
        '{"id": "x", "content": "a red cube"}',
        '{"id": "y", "content": "a trunca',
        '{"id": "y"}',
        '{"content": null}',
        '{"content": ["a"]}',
        '"a bare string"',
        "[" * 200_000,
        '{"content": "a blue cone"}',
    ]
    good, refused = read(write("a.jsonl", "\n".join(lines)))
    assert good == [(1, "a red cube"), (6, "a bare string"), (8, "a blue cone")]
    assert refused == [(2, "malformed"), (3, "missing"), (4, "missing"), (5, "not_text"), (7, "malformed")]


@pytest.mark.parametrize(
    ("document", "options", "texts"),
    [
        (["a", "b"], {}, ["a", "b"]),
        ([{"caption": "a", "url": "u"}, {"caption": "b"}], {}, ["a", "b"]),
        ([{"x": "a", "y": "b"}], {"field": "y"}, ["b"]),
        ({"dreamfusion": ["a", "b"]}, {}, ["a", "b"]),
        ({"train": ["a"], "val": ["b"], "test": ["c"]}, {}, ["a"]),
        ({"train": ["a"], "val": ["b"]}, {"key": "val"}, ["b"]),
        ({"animals": ["a"], "plants": [{"prompt": "b"}], "version": 1}, {}, ["a", "b"]),
    ],
)
def test_json(write, document, options, texts):
    good, refused = read(write("a.json", json.dumps(document)), **options)
    assert [text for _, text in good] == texts
    assert refused == []


@pytest.mark.parametrize("name", ["a.csv", "a.tsv"])
def test_csv(write, name):
    comma = "," if name == "a.csv" else "\t"
    lines = [
        "id,caption",
        '1,"a red cube, shiny"',
        '2,"the word ""cube"" on a cube"',
        "3",
        "4,a,b",
        '5,"a quote that never ends',
        "6,a blue cone",
        '7,"two',
        'lines"',
        '8,a 5" cube',
        "9,",
        "10,a caf\xe9",
    ]
    content = "\n".join(lines).replace(",", comma).replace(f"{comma} shiny", ", shiny")
    good, refused = read(write(name, content.encode("latin-1")))
    assert good == [
        (2, "a red cube, shiny"),
        (3, 'the word "cube" on a cube'),
        (7, "a blue cone"),
        (8, "two\nlines"),
        (10, 'a 5" cube'),
        (11, ""),
    ]
    assert refused == [(4, "columns"), (5, "columns"), (6, "malformed"), (12, "undecodable")]


def test_one_unclosed_quote_costs_one_row(write):
    rows = [f"{number},a red cube {number}" for number in range(500)]
    rows[100] = '100,"never closed'
    rows[400] = '400,"nor this'
    good, refused = read(write("a.csv", "id,caption\n" + "\n".join(rows)))
    assert refused == [(102, "malformed"), (402, "malformed")]
    assert len(good) == 498


def test_parquet(tmp_path):
    frame = pl.DataFrame({"url": ["u", "v", "w"], "Prompt": ["a red cube", None, "a blue cone"], "n": [1, 2, 3]})
    frame.write_parquet(tmp_path / "a.parquet")
    assert read(tmp_path / "a.parquet") == ([(1, "a red cube"), (3, "a blue cone")], [(2, "missing")])
    assert read(tmp_path / "a.parquet", field="url")[0][0] == (1, "u")
    assert read(tmp_path / "a.parquet", limit=1) == ([(1, "a red cube")], [])


@pytest.mark.parametrize(
    ("values", "holds"), [([1, 2], "int64"), ([["a"], []], "list<"), ([b"a cube", None], "binary")]
)
def test_parquet_without_text_says_what_it_holds(tmp_path, values, holds):
    path = tmp_path / "a.parquet"
    pl.DataFrame({"text": values}).write_parquet(path)
    for field in (None, "text"):
        with pytest.raises(InputError, match=rf"a\.parquet: .*text.*{holds}"):
            read(path, field=field)


def test_a_table_of_a_header_alone_has_no_rows(write):
    (source,) = find(write("a.csv", "text,b\n"))
    assert list(source.batches()) == []
    assert read(write("b.csv", "text,b\n1,2,3\n")) == ([], [(2, "columns")])
    with pytest.raises(InputError, match=r"c\.csv: no column holds text; there are: text, b"):
        read(write("c.csv", "text,b\n1,2\n"))
    with pytest.raises(InputError, match="has no column 'c'"):
        read(write("a.csv", "text,b\n"), field="c")


def test_gzip(tmp_path):
    (tmp_path / "a.jsonl.gz").write_bytes(gzip.compress(b'{"text": "a red cube"}\n'))
    assert read(tmp_path / "a.jsonl.gz") == ([(1, "a red cube")], [])


def test_saved_data_sets(tmp_path):
    import datasets

    data = datasets.Dataset.from_dict({"text": ["a red cube", None], "n": [1, 2]})
    data.save_to_disk(tmp_path / "saved")
    datasets.DatasetDict(train=data, test=data.select([0])).save_to_disk(tmp_path / "splits")
    (tmp_path / "files").mkdir()
    data.to_parquet(tmp_path / "files" / "train-0.parquet")
    expected = ([(1, "a red cube")], [(2, "missing")])
    for name in ("saved", "splits", "files"):
        assert read(tmp_path / name) == expected
    assert read(tmp_path / "splits", split="test") == ([(1, "a red cube")], [])
    digests = {source.digest for name in ("saved", "splits", "files") for source in find(tmp_path / name)}
    assert len(digests) == 1, "the digest is of the rows, however they are stored"
    with pytest.raises(InputError, match="split"):
        read(tmp_path / "splits", split="validation")


def test_a_folder_of_files_that_differ(tmp_path):
    (tmp_path / "a.txt").write_text("a lamp\n")
    (tmp_path / "b.jsonl").write_text('{"text": "a red cube"}\n')
    (tmp_path / "c.jsonl").write_text('{"caption": "a blue cone"}\n')
    with pytest.raises(InputError, match=r"cannot be read as one table: Couldn't cast caption: string") as caught:
        read(tmp_path)
    pattern = f"{tmp_path}/*.jsonl"
    assert pattern in caught.value.hint
    assert read(pattern)[0] == [(1, "a red cube"), (2, "a blue cone")]


def find(*paths: Path | str):
    return find_sources([SourceConfig(path=str(path)) for path in paths])


@pytest.mark.parametrize(
    ("name", "content", "message", "hint"),
    [
        ("a.parquet", b"PAR1 and then nothing", "a.parquet cannot be read as Parquet", "fetch it again"),
        ("a.json", b'["a red', "a.json is not JSON", "truncated"),
        ("a.json", b'{"text": "a"}\n{"text": "b"}', "a.json is not JSON", "kind jsonl"),
        ("a.json", b'{"a": 1}', "neither a list nor an object of lists", "expected"),
        ("a.jsonl", b'{"x": "a", "y": "b"}', "x, y", "field"),
        ("a.csv", b"x,y\na,b\n", "x, y", "field"),
        ("a.csv", b"", "a.csv has no header", "columns"),
        ("a.txt.gz", gzip.compress(b"a red cube\n" * 99)[:-12], "a.txt.gz is no whole gzip file", "again"),
        ("a.txt", "a red cube".encode("utf-16"), "a.txt is UTF-16", "iconv"),
        ("a.docx", b"x", "the kind of this file is not known", "kind"),
    ],
)
def test_a_file_that_cannot_be_used_is_named_with_the_way_out(write, name, content, message, hint):
    with pytest.raises(InputError) as caught:
        read(write(name, content))
    assert message in caught.value.message
    assert name in caught.value.message
    assert hint in caught.value.hint


def test_a_parquet_file_cut_short(tmp_path):
    path = tmp_path / "a.parquet"
    pl.DataFrame({"text": [f"a red cube {n}" for n in range(1000)]}).write_parquet(path)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(InputError, match=r"a\.parquet cannot be read as Parquet"):
        read(path)


@pytest.mark.parametrize("name", ["a.jsonl", "a.json"])
def test_a_field_that_no_object_has_is_answered_with_those_that_they_have(write, name):
    def of(*objects: object) -> Path:
        whole = json.dumps(objects) if name == "a.json" else "\n".join(map(json.dumps, objects))
        return write(name, whole)

    with pytest.raises(InputError, match=rf"{name}: no object has a field 'text'") as caught:
        read(of({"id": 1, "caption": "a red cube"}, "a bare string", {"url": "u"}), field="text")
    assert caught.value.hint == "their fields: id, caption, url"
    late = [{"id": 1}] * 300
    assert read(of(*late, {"text": "a red cube"}), field="text")[0] == [(301, "a red cube")]
    assert read(of({}, {}), field="text")[1] == [(1, "missing"), (2, "missing")], "what an API gave without it"
    assert read(of("a bare string"), field="text")[0] == [(1, "a bare string")]


@pytest.mark.parametrize("config", [{"field": "text"}, {"key": "nowhere"}])
def test_a_field_that_is_not_there_is_answered_with_those_that_are(write, config):
    path = write("a.csv", "id,caption\n1,a\n") if "field" in config else write("a.json", '{"here": ["a"]}')
    with pytest.raises(InputError) as caught:
        read(path, **config)
    assert ("caption" if "field" in config else "here") in caught.value.hint


def test_a_hub_name_without_a_network_is_unavailable():
    """The suite sets HF_HUB_OFFLINE."""
    with pytest.raises(UnavailableError) as caught:
        find("somebody/no-such-prompts")
    assert "HF_HUB_OFFLINE" in caught.value.message


@pytest.mark.parametrize("path", ["nowhere.txt", "./no/such", "/no/such/*.csv", "sample:nothing"])
def test_a_path_that_is_not_there(path):
    with pytest.raises(InputError, match=r"there is no|no file matches"):
        find(path)


def test_globs_and_names(write, tmp_path):
    (tmp_path / "x").mkdir()
    for name in ("b.txt", "a.txt", "x/a.txt"):
        write(name, f"a red {name[0]}\na blue {name[0]}\n")
    (tmp_path / "x").rename(tmp_path / "shards-of-toys")
    found = find(tmp_path / "a.txt", tmp_path / "shards-of-toys" / "a.txt", tmp_path / "shards-of-toys" / "*.txt")
    assert [source.name for source in found] == ["a", "a-2", "shards-of-toys"]
    (named,) = find_sources([SourceConfig(path=str(tmp_path / "*.txt"), name="mine")])
    assert named.name == "mine"
    rows = pl.concat(named.batches())
    assert rows.select("source_row", "text").rows() == [
        (1, "a red a"),
        (2, "a blue a"),
        (3, "a red b"),
        (4, "a blue b"),
    ]
    twice = [SourceConfig(path=str(tmp_path / "a.txt"), name="same")] * 2
    with pytest.raises(InputError, match="same"):
        find_sources(twice)


def test_a_path_in_the_home_folder(write, tmp_path, monkeypatch):
    write("a.txt", "a red cube\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    for path in ("~/a.txt", "~/*.txt"):
        assert read(path)[0] == [(1, "a red cube")]


@pytest.mark.parametrize(
    "sources",
    ["/d/a.txt,/d/b.jsonl", "/d/a.txt, /d/b.jsonl", ["/d/a.txt", "/d/b.jsonl"], [{"path": "/d/a.txt"}, "/d/b.jsonl"]],
)
def test_recipes_may_name_sources_in_short(sources):
    assert [source.path for source in CorpusConfig(sources=sources).sources] == ["/d/a.txt", "/d/b.jsonl"]


def test_evaluation_prompts_keep_their_order_and_wording(write):
    path = write("a.txt", "A red cube::2 --v 5\nan  OLD man\na blue cone\na red cube :: 2 - V 5!\n???\n")
    assert load_prompts(str(path)) == ["A red cube::2 --v 5", "an OLD man", "a blue cone"]
    with pytest.raises(InputError, match="holds no prompt"):
        load_prompts(str(write("b.txt", "\n")))
