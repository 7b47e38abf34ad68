"""The dataset card: front matter that `datasets` reads, and what a person wants to know before training on it."""

from typing import Any

import polars as pl
import yaml

from prompts.rows import REASONS

_HUB_LICENCES = {"Apache-2.0", "MIT", "CC0-1.0", "CC-BY-4.0", "CC-BY-SA-4.0", "ODC-BY", "OpenRAIL"}
_EXAMPLES = 5


def dataset_card(name: str, version: str, stats: dict[str, Any], kept: pl.DataFrame) -> str:
    """`README.md` of a corpus."""
    front = {
        "configs": [
            {
                "config_name": "default",
                "data_files": [{"split": split, "path": f"data/{split}-*.parquet"} for split in stats["splits"]],
            }
        ],
        "pretty_name": f"{name} {version}",
        "language": sorted(code for code in stats["languages"] if code != "und"),
        "license": _hub_licence(list(stats["licences"])),
        "task_categories": ["text-to-3d"],
    }
    longest = kept["n_words"].max()
    sections = [
        f"# {name}, version `{version}`",
        (
            f"{stats['prompts']:,} prompts for text-to-3D distillation, from {stats['read']:,} rows of "
            f"{len(stats['sources'])} sources. The same sources and configuration give the same version."
        ),
        f'```python\ndatasets.load_dataset("PATH/TO/{name}/{version}", split="train")\n```',
        "## From rows to prompts",
        _table(
            ("step", "rows", "meaning"),
            [
                ("read", stats["read"], "rows of all sources"),
                *((f"− `{reason}`", count, REASONS[reason]) for reason, count in stats["refused"].items()),
                ("**prompts**", stats["prompts"], "in this corpus"),
            ],
        ),
        "Refused rows are kept in `rejects.parquet`, without links, addresses and ids of people.",
        "## Sources",
        _table(
            ("source", "file", "licence", "read", "kept"),
            [(s["name"], s["file"], s["licence"], s["read"], s["kept"]) for s in stats["sources"]],
        ),
        *_left_out(stats["missing"]),
        "The licence is what whoever configured the source stated; it is carried in every row.",
        "## Languages",
        "Guessed from script and function words; `und` where a prompt is too short to tell.",
        _table(("language", "prompts"), list(stats["languages"].items())),
        "## Length",
        _table(tuple(stats["words"]), [tuple(stats["words"].values())]),
        f"In words; the longest prompt has {longest}.",
        "## What was taken out of prompts",
        _table(("flag", "prompts"), list(stats["flags"].items())),
        "## Columns",
        _table(
            ("column", "content"),
            [
                ("prompt_id", "hash of the normalised text; rows are sorted by it"),
                ("text", "the cleaned prompt"),
                ("source, source_row", "where it comes from: the first row of those that are equal"),
                ("licence", "of its source"),
                ("language", "ISO 639-1, or `und`"),
                ("n_words", "words; characters for scripts without spaces"),
                ("cluster_size", "how many rows were equal after normalisation"),
                ("flags", "what cleaning took out"),
            ],
        ),
        "## Examples",
        "\n".join(f"- {_cell(text)}" for text in kept["text"].head(_EXAMPLES)),
    ]
    return "---\n" + yaml.safe_dump(front, sort_keys=False) + "---\n\n" + "\n\n".join(sections) + "\n"


def _left_out(missing: list[dict[str, str]]) -> list[str]:
    names = ", ".join(f"`{_cell(source['name'])}`" for source in missing)
    return [f"**Not complete**: built without {names}, which could not be had (`stats.json` says why)."] * bool(missing)


def _hub_licence(licences: list[str]) -> str:
    """The Hub's tag when all sources agree on one that it knows."""
    return licences[0].lower() if len(licences) == 1 and licences[0] in _HUB_LICENCES else "other"


def _table(head: tuple[str, ...], rows: list[tuple[Any, ...]]) -> str:
    if not rows:
        return "None."
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join(
        "| " + " | ".join(_cell(f"{c:,}" if isinstance(c, int) else c) for c in line) + " |" for line in lines
    )


def _cell(text: str) -> str:
    """Hostile text inside Markdown: no tables, tags or lines of its own."""
    for character, escaped in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ("|", "\\|"), ("[", "\\["), ("\n", " ")):
        text = text.replace(character, escaped)
    return text
