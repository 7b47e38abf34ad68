"""From elsewhere into a snapshot: whole files, or of Parquet the text alone."""

import re
from pathlib import Path
from typing import Any

from infra.artifacts import write_whole
from infra.download import download
from infra.errors import InputError
from infra.http import Client, RangeFile
from prompts.sources.tables import readable, text_batches


def stored_name(index: int, name: str) -> str:
    """How a file is called in a snapshot: in order, and of nothing but plain characters."""
    plain = re.sub(r"[^A-Za-z0-9._-]+", "-", name.rpartition("/")[2])[-100:]
    return f"{index:05d}-{plain}"


def copy_column(url: str, field: str | None, target: Path, client: Client) -> None:
    """Fetch the text column of a remote Parquet file, unless it is there; the file whole if its server cannot part it.

    Raises:
        InputError: no Parquet, no text column, or it changed while it was read.
        UnavailableError: the server does not answer, or refuses.
    """
    if target.is_file():
        return
    whole = target.with_name(f"{target.name}.whole")
    try:
        source: Any = RangeFile(url, client)
    except InputError:
        source = download([url], whole, headers=client.headers)
    keep_column(source, field, target, url)
    whole.unlink(missing_ok=True)


def keep_column(source: Any, field: str | None, target: Path, where: str) -> None:
    """Write the text column of a Parquet file, given as a path or open, as one of its own."""
    with readable(where):
        write_whole(target, lambda temporary: _write_column(source, field, temporary, where))


def _write_column(source: Any, field: str | None, target: Path, where: str) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    writer = None
    try:
        for _, column, name in text_batches(source, field, where):
            table = pa.table({name: column})
            writer = writer or pq.ParquetWriter(target, table.schema, compression="zstd")
            writer.write_table(table.cast(writer.schema))
        if writer is None:
            pq.write_table(pa.table({field or "text": pa.array([], pa.string())}), target)
    finally:
        if writer is not None:
            writer.close()
