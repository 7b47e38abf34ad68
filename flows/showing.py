"""What Prefect shows of a run: artifacts for people, and errors as messages."""

import logging
from typing import Any

from prefect.artifacts import create_markdown_artifact
from prefect.runtime import flow_run

from flows.stages import StageResult
from infra.errors import PRDError
from infra.progress import console

_PAGES = ("report.html", "README.md")
"""What a person reads of a stage's result."""


def leave_artifact(stage: str, result: StageResult, *sections: str) -> StageResult:
    """An artifact of this flow run with the result's numbers, more `sections` of Markdown, and links to its pages."""
    pages = [page for page in _PAGES if (result.folder / page).is_file()]
    links = " · ".join(
        f"[{path.name}]({path.as_uri()})" for path in [result.folder, *(result.folder / p for p in pages)]
    )
    parts = [f"# {stage}", table(("", ""), *result.facts.items()), *sections, links]
    create_markdown_artifact("\n\n".join(parts) + "\n", key=stage, description=f"{stage} of {flow_run.name}")
    console.print(f"[bold]{stage}[/bold] {result.folder}")
    return result


def table(head: tuple[str, ...], *rows: tuple[Any, ...]) -> str:
    """A table in Markdown; text stays inside its cell."""
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join("| " + " | ".join(_cell(cell) for cell in line) + " |" for line in lines)


def _cell(value: Any) -> str:
    return str(value).replace("|", "\\|").replace("\n", " ")


def _without_traceback(record: logging.LogRecord) -> bool:
    """Errors that a user can act on are messages, not tracebacks."""
    if record.exc_info and isinstance(record.exc_info[1], PRDError):
        record.exc_info = None
    return True


for _name in ("prefect.flow_runs", "prefect.task_runs"):
    logging.getLogger(_name).addFilter(_without_traceback)
