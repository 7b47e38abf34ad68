"""What a person reads when the pipeline has run."""

from collections.abc import Mapping

from flows.stages import StageResult
from infra.progress import console


def print_summary(results: Mapping[str, StageResult]) -> None:
    """Each stage's numbers; last the report and the registered version."""
    from rich.markup import escape
    from rich.table import Table

    table = Table(show_header=False, box=None, pad_edge=False)
    for _ in range(3):
        table.add_column(overflow="fold")
    for stage, result in results.items():
        for index, (name, value) in enumerate(result.facts.items()):
            table.add_row(stage if index == 0 else "", name, escape(str(value)))
    console.print(table)
    registered = results["register"].facts
    print(f"report: {results['evaluate'].facts['report']}")  # noqa: T201
    print(  # noqa: T201
        f"registered: {registered['model']} version {registered['version']} (champion: {registered['champion']})"
    )
