"""Files that are made, or came, to do harm: refused with a reason or named with a way out; good rows go on."""

import gzip
import json

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from infra.errors import InputError
from prompts.config import SourceConfig
from prompts.rows import LONGEST_KEPT, LONGEST_TEXT
from prompts.sources import find_sources
from prompts.sources.unpacking import LONGEST_RECORD

LONG = "a red cube " * 100_000


def rows(path, **config) -> pl.DataFrame:
    (source,) = find_sources([SourceConfig(path=str(path), **config)])
    return pl.concat(source.batches())


def zstd(content: bytes) -> bytes:
    return pa.Codec("zstd").compress(content).to_pybytes()


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.txt", f"a cube\n{LONG}\na cone\n"),
        ("a.jsonl", f"{json.dumps('a cube')}\n{json.dumps(LONG)}\n{json.dumps('a cone')}\n"),
        ("b.jsonl", f"{json.dumps('a cube')}\n{json.dumps('x' * 50_000)}\n{json.dumps('a cone')}\n"),
        ("a.json", json.dumps(["a cube", LONG, "a cone"])),
        ("a.csv", f"id,text\n1,a cube\n2,{LONG}\n3,a cone\n"),
        ("b.csv", f'id,text\n1,a cube\n2,"{"x" * 20_000}"\n3,a cone\n'),
    ],
)
def test_a_row_of_a_megabyte_is_refused_and_counted(tmp_path, name, content):
    (tmp_path / name).write_text(content)
    found = rows(tmp_path / name)
    assert found["reason"].to_list() == [None, "too_long", None]
    assert found["text"].str.len_chars().max() <= LONGEST_KEPT
    assert [found["text"][0], found["text"][2]] == ["a cube", "a cone"]


def test_a_line_without_end(tmp_path):
    (tmp_path / "a.txt").write_bytes(
        b"a cube\n" + b"x" * (3 * LONGEST_RECORD) + b"\na cone\n" + b"y" * 2 * LONGEST_RECORD
    )
    found = rows(tmp_path / "a.txt")
    assert found.select("source_row", "reason").rows() == [(1, None), (2, "too_long"), (3, None), (4, "too_long")]
    assert found["detail"][1] == f"a line of {3 * LONGEST_RECORD + 1} bytes"


def test_a_number_of_thousands_of_digits_costs_its_row_or_its_document(tmp_path):
    endless = '{"text": "a chair", "n": %s}' % ("9" * 5000)
    (tmp_path / "a.jsonl").write_text(f'{{"text": "a cube"}}\n{endless}\n{{"text": "a cone", "n": 9}}\n')
    found = rows(tmp_path / "a.jsonl")
    assert found["reason"].to_list() == [None, "malformed", None]
    assert "more than 4300 digits" in found["detail"][1]
    (tmp_path / "a.json").write_text(f"[{endless}]")
    with pytest.raises(InputError, match=r"a\.json is not JSON: a number of more than 4300 digits"):
        rows(tmp_path / "a.json")


def test_limits_are_met_exactly(tmp_path):
    (tmp_path / "a.txt").write_text("x" * LONGEST_TEXT + "\n" + "x" * (LONGEST_TEXT + 1) + "\n")
    assert rows(tmp_path / "a.txt")["reason"].to_list() == [None, "too_long"]
    pl.DataFrame({"text": ["x" * LONGEST_TEXT, "x" * (LONGEST_TEXT + 1)]}).write_parquet(tmp_path / "a.parquet")
    assert rows(tmp_path / "a.parquet")["reason"].to_list() == [None, "too_long"]


@pytest.mark.parametrize("packed", [False, True])
def test_parquet_that_grows_when_it_is_read(tmp_path, packed):
    """Twenty thousand times a megabyte, stored once."""
    values = pa.array(["x" * 2**20, "a cube"])
    column = pa.DictionaryArray.from_arrays(pa.array([1] + [0] * 20_000, pa.int32()), values)
    table = pa.table({"text": column})
    pq.write_table(table, tmp_path / "a.parquet", store_schema=packed)
    assert (tmp_path / "a.parquet").stat().st_size < 2**21
    found = rows(tmp_path / "a.parquet")
    assert found["reason"].value_counts().sort("count").rows() == [(None, 1), ("too_long", 20_000)]


def test_parquet_of_more_text_than_is_sane(tmp_path):
    places = pl.zeros(5_000_000, dtype=pl.Int32, eager=True).to_arrow()
    column = pa.DictionaryArray.from_arrays(places, pa.array(["a red cube on a table"]))
    pq.write_table(pa.table({"text": column}), tmp_path / "a.parquet")
    with pytest.raises(InputError, match="unpacks to more than 200 times its size"):
        rows(tmp_path / "a.parquet")


@pytest.mark.parametrize(("name", "pack"), [("a.txt.gz", gzip.compress), ("a.txt.zst", zstd)])
def test_bombs(tmp_path, name, pack):
    line = b"a red cube " * 1000 + b"\n"
    (tmp_path / name).write_bytes(pack(line * 20_000))
    with pytest.raises(InputError, match="unpacks to more than 200 times its size"):
        rows(tmp_path / name)
    (tmp_path / name).write_bytes(pack(line * 100))
    assert len(rows(tmp_path / name)) == 100, "little is let through, however well it packs"


@pytest.mark.parametrize(("name", "pack"), [("a.txt.gz", gzip.compress), ("a.txt.zst", zstd)])
def test_packed_files(tmp_path, name, pack):
    whole = pack("".join(f"a cube with {n} dots\n" for n in range(5000)).encode())
    (tmp_path / name).write_bytes(whole + pack(b"a cone\n"))
    assert len(rows(tmp_path / name)) == 5001
    for broken in (whole[:-9], whole[: len(whole) // 2], b"", whole + b"junk", b"a cube\n"):
        (tmp_path / name).write_bytes(broken)
        with pytest.raises(InputError, match=r"a\.txt\.(gz|zst) is no whole (gzip|zstd) file") as caught:
            rows(tmp_path / name)
        assert caught.value.hint == "fetch it again"


@pytest.mark.parametrize("name", ["a.txt", "a.jsonl"])
def test_an_empty_file_has_no_rows(tmp_path, name):
    (tmp_path / name).write_bytes(b"")
    (tmp_path / f"b{name}").write_text('"a cube"')
    assert len(rows(tmp_path / f"*{name}")) == 1


def test_a_shard_of_another_schema_is_named(tmp_path):
    pl.DataFrame({"text": ["a cube"]}).write_parquet(tmp_path / "0.parquet")
    pl.DataFrame({"texts": [["a cube"]]}).write_parquet(tmp_path / "1.parquet")
    with pytest.raises(InputError, match=r"1\.parquet has no column 'text'"):
        rows(tmp_path / "*.parquet", field="text")


@pytest.mark.parametrize("limit", [None, 1])
def test_a_file_that_changes_while_it_is_read(tmp_path, limit):
    path = tmp_path / "a.txt"
    path.write_text("a cube\na cone\n")
    (source,) = find_sources([SourceConfig(path=str(path), limit=limit)])
    batches = source.batches()
    next(batches)
    path.write_text("a cube\na ball\n")
    with pytest.raises(InputError, match=r"a\.txt changed while it was read"):
        list(batches)


def test_a_file_that_is_only_touched_has_not_changed(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("a cube\n")
    (source,) = find_sources([SourceConfig(path=str(path))])
    path.write_text("a cube\n")
    assert len(pl.concat(source.batches())) == 1
    path.unlink()
    with pytest.raises(InputError, match="cannot be read"):
        list(source.batches())


def test_a_table_without_a_header(tmp_path):
    (tmp_path / "a.csv").write_text('u1,a red cube\nu2,"a cone, blue"\n')
    found = rows(tmp_path / "a.csv", columns=["uid", "caption"])
    assert found.select("source_row", "text").rows() == [(1, "a red cube"), (2, "a cone, blue")]
