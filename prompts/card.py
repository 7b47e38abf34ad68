"""The dataset card: front matter that `datasets` reads, and what a person wants to know before training on it."""

from typing import Any

import yaml

from prompts.charts import FUNNEL_CHART, LENGTH_CHART
from prompts.contamination import CONTAMINATED
from prompts.policy import EVALUATION_TEXT
from prompts.rows import MERGES, reason_meaning
from prompts.scores.config import in_words

_HUB_LICENCES = {"apache-2.0", "mit", "cc0-1.0", "cc-by-4.0", "cc-by-sa-4.0", "odc-by", "openrail"}
LOCAL_LOADING = "PATH/TO/{name}/{version}"
"""What the card of a version says where the reader has to say where it is."""
_COLUMNS = (
    ("prompt_id", "hash of the normalised text; rows are sorted by it, so the first N are a fair sample of all"),
    ("text", "the cleaned prompt"),
    ("subject, style", "the prompt in two: segments that say what is seen, and those that are said of many subjects"),
    ("parameters", "what was set beside it: aspect, version, seed, negative, weights, …"),
    ("source, source_row", "where this text comes from"),
    ("sources, licences", "of all rows that the prompt stands for"),
    ("licence", "the strictest of them"),
    ("language", "ISO 639-1, or `und`"),
    ("n_words", "words; characters for scripts without spaces"),
    ("cluster_size", "how many rows of the sources it stands for: a weight for sampling"),
    ("weight", "how often training draws it beside one of weight 1: the largest of its sources"),
    ("flags", "what cleaning took out"),
    ("score_…", "what was measured; the recipe's `filters` refuse by it"),
)


def dataset_card(name: str, version: str, stats: dict[str, Any], examples: list[str]) -> str:
    """`README.md` of a corpus.

    Args:
        name: of the corpus.
        version: of this one.
        stats: `statistics.Statistics.result`.
        examples: texts to show.
    """
    splits = [{"split": split, "path": f"data/{split}-*.parquet"} for split in stats["splits"]]
    front = {
        "configs": [{"config_name": "default", "data_files": splits}],
        "pretty_name": f"{name} {version}",
        "language": sorted(code for code in stats["languages"] if code != "und"),
        "license": _hub_licence(list(stats["licences"])),
        "task_categories": ["text-to-3d"],
    }
    sections = [
        f"# {name}, version `{version}`",
        (
            f"{stats['prompts']:,} prompts for text-to-3D distillation, from {stats['read']:,} rows of "
            f"{_several(len(stats['sources']), 'source')}. The same rows and configuration give the same version."
        ),
        _loading(LOCAL_LOADING.format(name=name, version=version)),
        "## From rows to prompts",
        f"![From rows to prompts]({FUNNEL_CHART})",
        _table(
            ("step", "rows", "meaning"),
            [
                ("read", stats["read"], "rows of all sources"),
                *((f"− `{reason}`", count, reason_meaning(reason)) for reason, count in stats["refused"].items()),
                *((f"− `{rule}`", count, MERGES[rule]) for rule, count in stats["merged"].items()),
                ("**prompts**", stats["prompts"], "in this corpus"),
            ],
        ),
        (
            "`clusters.parquet` says of every row of the sources which prompt stands for it and by which rule; "
            "`rejects.parquet` has the rows that none stands for, without links, addresses and ids of people."
        ),
        _table(("split", "prompts"), list(stats["splits"].items())),
        "## Sources",
        _table(
            ("source", "file", "licence", "weight", "read", "refused", "merged", "kept", "only here"),
            [
                (
                    s["name"],
                    s["file"],
                    s["licence"],
                    f"{s['weight']:g}",
                    s["read"],
                    *losses_of(s),
                    s["kept"],
                    s["only_here"],
                )
                for s in stats["sources"]
            ],
        ),
        *_by_source(stats),
        *_own_filters(stats["sources"]),
        *_left_out(stats["missing"]),
        "The licence is what whoever configured the source stated. Of several for one prompt the strictest binds:",
        _table(("licence", "prompts"), list(stats["licences"].items())),
        *_overlap(stats["overlap"]),
        *_evaluation(stats),
        "## Languages",
        "Guessed from script and function words; `und` where these do not tell.",
        _table(("language", "prompts"), list(stats["languages"].items())),
        "## Length and scores",
        f"![Words of prompts]({LENGTH_CHART})",
        _table(
            ("measure", *stats["words"]),
            [("words", *stats["words"].values())]
            + [(f"`{score}`", *quantiles.values()) for score, quantiles in stats["scores"].items()],
        ),
        "## What was taken out of prompts",
        _table(("flag", "prompts"), list(stats["flags"].items())),
        "## Columns",
        _table(("column", "content"), list(_COLUMNS)),
        "## Examples",
        "\n".join(f"- {_cell(text)}" for text in examples),
    ]
    return "---\n" + yaml.safe_dump(front, sort_keys=False) + "---\n\n" + "\n\n".join(sections) + "\n"


def losses_of(source: dict[str, Any]) -> tuple[int, int]:
    """Rows of a source that were refused and merged."""
    return sum(source["refused"].values()), sum(source["merged"].values())


def losses_by_source(stats: dict[str, Any]) -> list[tuple[str, list[int]]]:
    """Reason or rule → rows of each source, once there are several."""
    sources = stats["sources"] if len(stats["sources"]) > 1 else []
    return [
        (what, [source[how].get(what, 0) for source in sources])
        for how in ("refused", "merged")
        for what in stats[how]
        if sources
    ]


def rows_by_rule(stats: dict[str, Any]) -> dict[str, int]:
    """Rule by which rows were found to say what an evaluation prompt says → how many."""
    return {rule: stats["refused"].get(rule, 0) for rule in (EVALUATION_TEXT, *CONTAMINATED[1:])}


def _by_source(stats: dict[str, Any]) -> list[str]:
    rows = [(f"`{what}`", *counts) for what, counts in losses_by_source(stats)]
    names = [source["name"] for source in stats["sources"]]
    return ["Rows that were refused or merged, by source:", _table(("", *names), rows)] if rows else []


def _evaluation(stats: dict[str, Any]) -> list[str]:
    """What the corpus is kept apart from."""
    sets = [(each["name"], each["file"], each["prompts"]) for each in stats["evaluation"]]
    if not sets:
        return []
    rules = [(f"`{rule}`", count, reason_meaning(rule)) for rule, count in rows_by_rule(stats).items()]
    return [
        "## Evaluation prompts that are kept out",
        _table(("set", "file", "prompts"), sets),
        "Rows that were refused for them; `rejects.parquet` names the evaluation prompt in `detail`:",
        _table(("rule", "rows", "meaning"), rules),
    ]


def _several(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def _loading(path: str) -> str:
    return (
        f'```python\ndatasets.load_dataset("{path}", split="train")\n'
        f'datasets.load_dataset("{path}", split="train[:10000]")  # each subset holds the smaller ones\n```'
    )


def _overlap(matrix: dict[str, dict[str, int]]) -> list[str]:
    """Prompts that sources have in common, once there are several."""
    if len(matrix) < 2:
        return []
    rows = [(name, *(others[other] for other in matrix)) for name, others in matrix.items()]
    return ["Prompts that two sources have in common:", _table(("", *matrix), rows)]


def _own_filters(sources: list[dict[str, Any]]) -> list[str]:
    """What some sources' rows had to be, other than those of the rest."""
    own = [(source["name"], in_words(source["filters"])) for source in sources if source["filters"]]
    return ["Sources with limits of their own:", _table(("source", "limits"), own)] if own else []


def _left_out(missing: list[dict[str, str]]) -> list[str]:
    names = ", ".join(f"`{_cell(source['name'])}`" for source in missing)
    return [f"**Not complete**: built without {names}, which could not be had (`stats.json` says why)."] * bool(missing)


def _hub_licence(licences: list[str]) -> str:
    """The Hub's tag when all prompts agree on one that it knows."""
    return licences[0].lower() if len(licences) == 1 and licences[0].lower() in _HUB_LICENCES else "other"


def _table(head: tuple[str, ...], rows: list[tuple[Any, ...]]) -> str:
    if not rows:
        return "None."
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join(
        "| " + " | ".join(_cell(f"{c:,}" if isinstance(c, int) else str(c)) for c in line) + " |" for line in lines
    )


def _cell(text: str) -> str:
    """Hostile text inside Markdown: no tables, tags or lines of its own."""
    for character, escaped in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ("|", "\\|"), ("[", "\\["), ("\n", " ")):
        text = text.replace(character, escaped)
    return text
