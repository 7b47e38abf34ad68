"""Tables that commands print: framed for people at a terminal, tab-separated for programs and files."""

import sys
from typing import Any

import typer

_LONGEST_CELL = 160


def for_people() -> bool:
    """Whether standard output is a terminal."""
    return sys.stdout.isatty()


class Table:
    """Rows below a title and the names of their columns.

    Args:
        title: what it shows.
        columns: their names.
    """

    def __init__(self, title: str, *columns: str) -> None:
        self._title, self._columns = title, columns
        self._rows: list[list[str]] = []

    def add(self, *values: Any) -> None:
        """One row. Text of strangers is shown without control characters; None is an empty cell."""
        self._rows.append([printable("" if value is None else str(value)) for value in values])

    def print(self) -> None:
        """Write it to standard output; at a terminal without the ends of endless cells."""
        if for_people():
            return self._framed()
        typer.echo(f"# {self._title}")
        for row in (self._columns, *self._rows):
            typer.echo("\t".join(row))

    def _framed(self) -> None:
        from rich.console import Console
        from rich.markup import escape
        from rich.table import Table as Framed

        table = Framed(title=escape(self._title), title_justify="left")
        for column in self._columns:
            table.add_column(escape(column), overflow="fold", min_width=4)
        for row in self._rows:
            cut = (cell if len(cell) <= _LONGEST_CELL else cell[: _LONGEST_CELL - 1] + "…" for cell in row)
            table.add_row(*map(escape, cut))
        Console(highlight=False).print(table)


def printable(text: str) -> str:
    """On one line, without tabs and other control characters."""
    return "".join(letter if letter.isprintable() else " " for letter in text)
