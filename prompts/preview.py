"""A look at a source before it is built, and at what a corpus made of one prompt."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from prompts.clean import normalise, prompt_id
from prompts.config import CorpusConfig, SourceConfig
from prompts.corpus import CLUSTERS
from prompts.dedup.near import NearDuplicates, find_near_duplicates
from prompts.dedup.pairs import RULES
from prompts.dedup.split import split_style
from prompts.describe import describe
from prompts.identifiers import as_hex
from prompts.rows import SCHEMA
from prompts.scores.policy import refuse_outside
from prompts.sources import Source, find_sources


@dataclass(frozen=True)
class Preview:
    """What would become of the first rows of a source."""

    source: Source
    rows: pl.DataFrame
    """`source_row`, `raw` (as read), `text`, `subject`, `style`, `parameters`, `flags`, `reason`, `detail`; `novelty`
    of good rows: `new`, `again` (equal to an earlier row), `known` (equal to a prompt of the corpus), or by which rule
    it is a near-duplicate of one or of an earlier row."""

    def counts(self) -> dict[str, int]:
        """Reason or novelty → rows, most frequent first."""
        what = self.rows.select(pl.coalesce("reason", "novelty").alias("what"))["what"]
        return dict(what.value_counts().sort(["count", "what"], descending=[True, False]).iter_rows())


def preview(config: SourceConfig, policy: CorpusConfig, corpus: Path | None, rows: int = 10_000) -> Preview:
    """Read the beginning of a source and say what a build would make of it.

    Args:
        config: the source.
        policy: the corpus that it would go into.
        corpus: its present version; None: there is none.
        rows: how many to look at.

    Raises:
        InputError: the source cannot be read.
    """
    (source,) = find_sources([config.model_copy(update={"limit": min(rows, config.limit or rows)})])
    read = pl.concat(list(source.batches()) or [pl.DataFrame(schema=SCHEMA)])
    filters = policy.filters_of(source.config)
    described = refuse_outside(describe(read, [name for name, _ in filters.active()]), filters).join(
        read.select("source_row", as_read="text"), on="source_row", how="left"
    )
    good = described.filter(pl.col("reason").is_null())
    first = good.unique("id", keep="first", maintain_order=True)
    known = _texts(corpus)
    texts = pl.concat([known["text"], first["text"]])
    near = find_near_duplicates(texts, policy.near)
    novelty = _novelty(near, known, first)
    told = pl.concat([first.select("source_row"), split_style(texts, near)[len(known) :]], how="horizontal")
    table = (
        described.join(first.select("source_row", novelty=novelty), on="source_row", how="left")
        .join(told, on="source_row", how="left")
        .with_columns(
            novelty=pl.when(pl.col("reason").is_null()).then(pl.col("novelty").fill_null("again")),
        )
        .select(
            "source_row", "as_read", "text", "subject", "style", "parameters", "flags", "reason", "detail", "novelty"
        )
    )
    return Preview(source, table.rename({"as_read": "raw"}))


def _texts(corpus: Path | None) -> pl.DataFrame:
    if corpus is None:
        return pl.DataFrame(schema={"prompt_id": pl.String, "text": pl.String})
    return pl.read_parquet(corpus / "data" / "*.parquet", columns=["prompt_id", "text"])


def _novelty(near: NearDuplicates, known: pl.DataFrame, first: pl.DataFrame) -> pl.Series:
    """Of each distinct prompt: `new`, `known`, or by which rule it is one with another, of the corpus or before it."""
    start = len(known)
    found = np.full(len(first), "new", dtype=object)
    pairs = near.pairs
    inside = pairs[(pairs[:, :2] >= start).all(axis=1)]
    found[inside[:, :2].max(axis=1) - start] = [RULES[rule] for rule in inside[:, 2]]
    for one, other in ((0, 1), (1, 0)):
        crossing = pairs[(pairs[:, one] >= start) & (pairs[:, other] < start)]
        found[crossing[:, one] - start] = [RULES[rule] for rule in crossing[:, 2]]
    found[as_hex(first["id"].to_numpy()).is_in(known["prompt_id"].implode()).to_numpy()] = "known"
    return pl.Series(found.tolist(), dtype=pl.String)


@dataclass(frozen=True)
class Explanation:
    """What a corpus makes of one prompt."""

    row: dict[str, Any]
    """As `Preview.rows`, with scores."""
    verdict: str
    kept: str | None
    """Text of the prompt of the corpus that stands for it."""
    members: pl.DataFrame
    """Rows of its cluster: `source`, `source_row`, `rule`."""


def explain(text: str, corpus: Path, policy: CorpusConfig) -> Explanation:
    """Why a prompt is in a corpus or not, and in which cluster.

    Args:
        text: as a source would have it.
        corpus: folder of a version.
        policy: what decided on its rows.
    """
    scores = [name for name, _ in policy.filters.active()]
    read = pl.DataFrame({"source_row": [1], "text": [text], "reason": [None], "detail": [None]}, schema=SCHEMA)
    row = refuse_outside(describe(read, scores), policy.filters).row(0, named=True)
    named = prompt_id(normalise(row["text"] or ""))
    clusters = pl.scan_parquet(corpus / CLUSTERS)
    mine = clusters.filter(pl.col("prompt_id") == named).collect()
    known = _texts(corpus)
    kept = next(iter(mine["kept_prompt_id"].drop_nulls()), None)
    if kept is not None:
        members = clusters.filter(pl.col("kept_prompt_id") == kept).collect()
        stands = known.filter(pl.col("prompt_id") == kept)["text"].item()
        # Another source's limits may have refused the same prompt.
        rule = mine.drop_nulls("kept_prompt_id")["rule"].drop_nulls().first()
        verdict = "in the corpus" if kept == named else f"merged: {rule}"
        return Explanation(row, verdict, stands, members)
    none = clusters.head(0).collect()
    if len(mine):
        return Explanation(row, f"refused: {mine['rule'][0]}", None, mine)
    if row["reason"] is not None:
        return Explanation(row, f"would be refused: {row['reason']} ({row['detail'] or 'no more to say'})", None, none)
    near = find_near_duplicates(pl.concat([known["text"], pl.Series([row["text"]], dtype=pl.String)]), policy.near)
    for one, other, rule in near.pairs:
        if len(known) in (one, other):
            partner = int(min(one, other))
            return Explanation(row, f"would be merged: {RULES[int(rule)]}", known["text"][partner], none)
    return Explanation(row, "would be new", None, none)
