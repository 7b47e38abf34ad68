"""Rows of files read line by line (text, JSONL, CSV, TSV) and of JSON documents. A bad line costs only itself."""

import csv
import json
import sys
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from infra.errors import InputError
from prompts.rows import LONGEST_KEPT, Row, text_row
from prompts.sources.columns import choose_column
from prompts.sources.unpacking import LARGEST_DOCUMENT, LONGEST_RECORD, bounded_lines, opened

_SNIFFED = 200
"""Rows looked at to infer the text column."""
_SHOWN_KEYS = 30
"""Of objects, in a message."""
_LONGEST_RECORD = 50
"""Lines that one quoted CSV field may span; an unclosed quote must not swallow the rest of the file."""


def _lines(path: Path) -> Iterator[Row]:
    """Lines that are not blank, without their end."""
    with opened(path) as stream:
        for number, (line, length) in enumerate(bounded_lines(stream), start=1):
            if number == 1:
                if line[:2] in (b"\xff\xfe", b"\xfe\xff"):
                    raise InputError(f"{path} is UTF-16", f"convert it: iconv -f UTF-16 -t UTF-8 {path.name}")
                line = line.removeprefix(b"\xef\xbb\xbf")
            if length > LONGEST_RECORD:
                yield Row(number, line[:LONGEST_KEPT].decode(errors="ignore"), "too_long", f"a line of {length} bytes")
                continue
            line = line.rstrip(b"\r\n")
            try:
                text = line.decode()
            except UnicodeDecodeError as error:
                lossy = line.decode(errors="replace")
                yield Row(number, lossy, "undecodable", f"byte {error.start} is not UTF-8")
            else:
                if text and not text.isspace():
                    yield Row(number, text)


def read_text(path: Path) -> Iterator[Row]:
    """One prompt a line."""
    return _lines(path)


def read_jsonl(path: Path, field: str | None) -> Iterator[Row]:
    """One JSON object, or string, a line.

    Raises:
        InputError: no field given and none to infer; or, at the end, no object had the field.
    """
    rows = (_parsed(row) for row in _lines(path))
    first = list(islice(rows, _SNIFFED))
    objects = [value for _, value in first if isinstance(value, dict)]
    if objects and field is None:
        field = choose_column(_text_columns(objects), _all_columns(objects), str(path))
    yield from _rows_of(_chain(first, rows), field, path)


def read_json(path: Path, field: str | None, key: str | None) -> Iterator[Row]:
    """A document: a list of strings or objects, or an object whose keys hold such lists.

    Raises:
        InputError: it does not parse, is made otherwise, or no object in it has the field.
    """
    with opened(path) as stream:
        content = stream.read(LARGEST_DOCUMENT + 1)
    if len(content) > LARGEST_DOCUMENT:
        raise InputError(f"{path} is more than {LARGEST_DOCUMENT // 2**20} MB of one JSON document", "make it JSONL")
    try:
        document = json.loads(content.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not UTF-8: byte {error.start}", "convert it with iconv") from None
    except (ValueError, RecursionError) as error:
        hint = "give it the kind jsonl" if "Extra data" in str(error) else "it may be truncated; fetch it again"
        raise InputError(f"{path} is not JSON: {_what_is_wrong(error)}", hint) from None
    values = _list_in(document, key, path)
    objects = [value for value in values[:_SNIFFED] if isinstance(value, dict)]
    if objects and field is None:
        field = choose_column(_text_columns(objects), _all_columns(objects), str(path))
    yield from _rows_of(((Row(number, None), value) for number, value in enumerate(values, start=1)), field, path)


def read_csv(path: Path, field: str | None, delimiter: str, columns: Sequence[str] | None = None) -> Iterator[Row]:
    """A table with a header, or without one and with `columns`. `Row.number` is the line on which a record begins.

    Raises:
        InputError: no header, or no field given and none to infer.
    """
    records = _records(path, delimiter)
    header_row, header = (Row(0, None), list(columns)) if columns else next(records, (Row(0, None, "malformed"), []))
    if header_row.reason:
        raise InputError(f"{path} has no header", "the first line must name the columns")
    header = [name.strip() for name in header]
    if len(header) == 1 and (other := next((mark for mark in ";\t|," if mark in header[0]), None)):
        raise InputError(
            f"{path} has one column, {header[0]!r}, which looks like several split by {other!r}",
            "save it with commas, or as .tsv with tabs",
        )
    first = list(islice(records, _SNIFFED))
    if field is None and not first:
        return
    if field is None:
        good = [cells for row, cells in first if not row.reason and len(cells) == len(header)]
        texts = [name for index, name in enumerate(header) if any(not _is_number(cells[index]) for cells in good)]
        field = choose_column(texts if good else header, header, str(path))
    column = column_index(header, field, path)
    for row, cells in _chain(first, records):
        if row.reason:
            yield row
        elif len(cells) != len(header):
            yield Row(row.number, row.text, "columns", f"{len(cells)} instead of {len(header)}")
        else:
            yield Row(row.number, cells[column])


def column_index(columns: list[str], field: str, path: Path) -> int:
    """Where `field` is.

    Raises:
        InputError: it is not among `columns`.
    """
    if field not in columns:
        raise InputError(f"{path} has no column {field!r}", f"its columns: {', '.join(columns)}")
    return columns.index(field)


def _records(path: Path, delimiter: str) -> Iterator[tuple[Row, list[str]]]:
    """CSV records. Each begins with a line, and takes more of them only when that closes an open quote properly."""
    lines = _lines(path)
    ahead: deque[Row] = deque()
    width = 0
    while row := ahead.popleft() if ahead else next(lines, None):
        text = row.text or ""
        if row.reason:
            yield row, []
            continue
        cells = text.split(delimiter) if '"' not in text else _cells([text], delimiter)
        if cells is None:
            cells = _joined(text, ahead, lines, delimiter, width)
        width = width or len(cells or ())
        if cells is None:
            yield row._replace(reason="malformed", detail="a quote is not closed"), []
        else:
            yield row, cells


def _joined(first: str, ahead: deque[Row], lines: Iterator[Row], delimiter: str, width: int) -> list[str] | None:
    """Cells of `first` and the following lines that close its quote; None, and no line is taken, when none does."""
    record = [first]
    for index in range(_LONGEST_RECORD):
        if index == len(ahead) and (following := next(lines, None)) is not None:
            ahead.append(following)
        if index == len(ahead) or ahead[index].reason:
            return None
        record.append(ahead[index].text or "")
        cells = _cells(record, delimiter)
        if cells is not None:
            if len(cells) != width:
                return None
            for _ in record[1:]:
                ahead.popleft()
            return cells
    return None


def _cells(record: list[str], delimiter: str) -> list[str] | None:
    """Cells of one record of one or more lines; None while its last quote is open, none when lines do not belong."""
    text = [line + "\n" for line in record[:-1]] + record[-1:]
    try:
        return next(csv.reader(text, delimiter=delimiter, strict=True))
    except csv.Error as error:
        if "unexpected end of data" in str(error):
            return None
    if len(record) > 1:
        # The next row's quote seemed to close this one's: no record.
        return []
    # A stray quote inside a cell stands as it is; a cell beyond the library's limit stays uncut.
    try:
        return next(csv.reader(text, delimiter=delimiter))
    except csv.Error:
        return ["\n".join(record)]


def _parsed(row: Row) -> tuple[Row, Any]:
    if row.reason:
        return row, None
    try:
        return row, json.loads(row.text or "")
    except (ValueError, RecursionError) as error:
        message = error.msg if isinstance(error, json.JSONDecodeError) else _what_is_wrong(error)
        return row._replace(reason="malformed", detail=f"not JSON: {message}"), None


def _what_is_wrong(error: Exception) -> str:
    if isinstance(error, RecursionError):
        return "nested too deep"
    return (
        str(error)
        if isinstance(error, json.JSONDecodeError)
        else f"a number of more than {sys.get_int_max_str_digits()} digits"
    )


def _rows_of(values: Iterable[tuple[Row, Any]], field: str | None, path: Path) -> Iterator[Row]:
    """Rows of parsed values; those that did not parse as they are."""
    known, keys = False, {}
    for row, value in values:
        if isinstance(value, dict) and not known:
            known = field is None or field in value
            if len(keys) < _SNIFFED:
                keys |= dict.fromkeys(value)
        yield row if row.reason else _row_of(row.number, value, field)
    if keys and not known:
        raise InputError(
            f"{path}: no object has a field {field!r}", f"their fields: {', '.join(list(keys)[:_SHOWN_KEYS])}"
        )


def _row_of(number: int, value: Any, field: str | None) -> Row:
    if isinstance(value, dict) and field is not None:
        if field not in value:
            return Row(number, json.dumps(value, ensure_ascii=False), "missing", f"no field `{field}`")
        return text_row(number, value[field], field)
    return text_row(number, value)


def _list_in(document: Any, key: str | None, path: Path) -> list[Any]:
    if isinstance(document, list):
        return document
    pairs = document.items() if isinstance(document, dict) else ()
    lists = {name: value for name, value in pairs if isinstance(value, list)}
    if not lists:
        raise InputError(f"{path} is neither a list nor an object of lists", "expected strings, or objects with a text")
    if key is not None and key not in lists:
        raise InputError(f"{path} has no list {key!r}", f"its lists: {', '.join(lists)}")
    if key is None and "train" in lists:
        key = "train"
    return lists[key] if key is not None else [value for values in lists.values() for value in values]


def _all_columns(objects: list[dict[str, Any]]) -> list[str]:
    return list(dict.fromkeys(name for value in objects for name in value))


def _text_columns(objects: list[dict[str, Any]]) -> list[str]:
    return list(dict.fromkeys(name for value in objects for name, cell in value.items() if isinstance(cell, str)))


def _is_number(cell: str) -> bool:
    try:
        float(cell or "0")
    except ValueError:
        return False
    return True


def _chain(first: list[Any], rest: Iterable[Any]) -> Iterator[Any]:
    yield from first
    yield from rest
