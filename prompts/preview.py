"""A look at a source before it is built, and at what a corpus made of one prompt."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from prompts.clean import normalise, prompt_id
from prompts.config import CorpusConfig, SourceConfig
from prompts.contamination import CONTAMINATED, contaminated
from prompts.dedup.language import FUNCTION
from prompts.dedup.near import NearDuplicates, find_near_duplicates
from prompts.dedup.pairs import RULES
from prompts.dedup.split import split_style
from prompts.describe import describe
from prompts.identifiers import as_hex
from prompts.parts import read_clusters, read_prompts, read_rejects
from prompts.policy import Policy
from prompts.rows import MERGES, SCHEMA, reason_meaning
from prompts.sources import Source, find_sources, prompts_of
from prompts.versions import configuration


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
        InputError: the source or the evaluation prompts cannot be read.
    """
    evaluation = prompts_of(find_sources(policy.evaluation_prompts))
    (source,) = find_sources([config.model_copy(update={"limit": min(rows, config.limit or rows)})])
    read = pl.concat(list(source.batches()) or [pl.DataFrame(schema=SCHEMA)])
    scores = [name for name, _ in policy.filters_of(source.config).active()]
    described = Policy(policy, [source.config], evaluation).refuse(describe(read, scores), 0)
    described = described.join(read.select("source_row", as_read="text"), on="source_row", how="left")
    good = described.filter(pl.col("reason").is_null())
    first = good.unique("id", keep="first", maintain_order=True)
    known = _texts(corpus)
    near, verdicts, details = _compare([known["text"], first["text"]], evaluation, policy)
    told = pl.concat(
        [
            first.select("id", novelty=_novelty(near, known, first)),
            split_style(first["text"], near, np.arange(len(known), len(known) + len(first))),
            pl.DataFrame({"close": verdicts[len(known) :], "close_to": details[len(known) :]}),
        ],
        how="horizontal",
    )
    good = pl.col("reason").is_null()
    table = (
        described.join(told, on="id", how="left")
        .with_columns(
            # As of the first of equal rows, and of no refused one.
            novelty=pl.when(good & pl.col("source_row").is_in(first["source_row"].implode()))
            .then("novelty")
            .otherwise(pl.when(good).then(pl.lit("again"))),
            subject=pl.when(good).then("subject"),
            style=pl.when(good).then("style"),
            reason=pl.when(good).then("close").otherwise("reason"),
            detail=pl.when(good).then("close_to").otherwise("detail"),
        )
        .with_columns(novelty=pl.when(pl.col("reason").is_null()).then("novelty"))
        .select(
            "source_row", "as_read", "text", "subject", "style", "parameters", "flags", "reason", "detail", "novelty"
        )
    )
    return Preview(source, table.rename({"as_read": "raw"}))


def _compare(
    texts: list[pl.Series], evaluation: list[str], policy: CorpusConfig
) -> tuple[NearDuplicates, pl.Series, pl.Series]:
    """Near-duplicates among texts; and of each the verdict, if it says what an evaluation prompt says, and which."""
    near = find_near_duplicates([*texts, pl.Series(evaluation, dtype=pl.String)], policy.near)
    verdicts, details = contaminated(near.pairs, near.profile.sets, near.profile.sizes, evaluation)
    found = [CONTAMINATED[verdict] or None for verdict in verdicts]
    return (
        near,
        pl.Series(found, dtype=pl.String),
        pl.Series([details.get(row) for row in range(len(found))], dtype=pl.String),
    )


def _texts(corpus: Path | None) -> pl.DataFrame:
    if corpus is None:
        return pl.DataFrame(schema={"prompt_id": pl.String, "text": pl.String})
    return read_prompts(corpus, "prompt_id", "text")


def _novelty(near: NearDuplicates, known: pl.DataFrame, first: pl.DataFrame) -> pl.Series:
    """Of each distinct prompt: `new`, `known`, or by which rule it is one with another, of the corpus or before it."""
    start = len(known)
    found = np.full(len(first), "new", dtype=object)
    pairs = near.pairs
    pairs = pairs[(pairs[:, :2] < start + len(first)).all(axis=1)]
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
    nearest: str | None = None
    """Of a new one: the prompt of the corpus that shares most words with it."""


def explain(text: str, corpus: Path) -> Explanation:
    """Why a prompt is in a corpus or not, and in which cluster; of one that it never saw, what would become of it.

    Args:
        text: as a source would have it.
        corpus: folder of a version.

    Raises:
        MissingError: a file of the version is gone.
        InputError: a file of it is damaged, another release built it, or it never saw the prompt and its evaluation
            prompts are not to be found any more.
    """
    policy = configuration(corpus)
    scores = [name for name, _ in policy.filters.active()]
    read = pl.DataFrame({"source_row": [1], "text": [text], "reason": [None], "detail": [None]}, schema=SCHEMA)
    described = describe(read, scores)
    row = described.row(0, named=True)
    named = prompt_id(normalise(row["text"] or ""))
    mine = read_clusters(corpus, where=pl.col("prompt_id") == named)
    known = _texts(corpus)
    kept = next(iter(mine["kept_prompt_id"].drop_nulls()), None)
    if kept is not None:
        members = read_clusters(corpus, where=pl.col("kept_prompt_id") == kept)
        stands = known.filter(pl.col("prompt_id") == kept)["text"].item()
        # Another source's limits may have refused the same prompt.
        rule = str(mine.drop_nulls("kept_prompt_id")["rule"].drop_nulls().first())
        verdict = "in the corpus" if kept == named else f"merged: {rule} ({MERGES.get(rule, rule)})"
        return Explanation(row, verdict, stands, members)
    none = mine.clear()
    if len(mine):
        return Explanation(row, f"refused: {_refusal(mine['rule'][0], _detail(corpus, mine))}", None, mine)
    evaluation = prompts_of(find_sources(policy.evaluation_prompts))
    nowhere = SourceConfig(path="-")  # without limits of its own
    refused = Policy(policy, [nowhere], evaluation).refuse(described, 0)
    reason, detail = refused["reason"][0], refused["detail"][0]
    if reason is None:
        near, verdicts, details = _compare([known["text"], described["text"]], evaluation, policy)
        reason, detail = verdicts[-1], details[-1]
    if reason is not None:
        return Explanation(row, f"would be refused: {_refusal(reason, detail)}", None, none)
    for one, other, rule in near.pairs:
        if max(one, other) == len(known):
            partner = int(min(one, other))
            name = RULES[int(rule)]
            return Explanation(row, f"would be merged: {name} ({MERGES[name]})", known["text"][partner], none)
    nearest = _nearest(near, len(known))
    return Explanation(row, "would be new", None, none, None if nearest is None else known["text"][nearest])


def _refusal(reason: str, detail: str | None) -> str:
    """A reason, what it means, and what it says of this prompt."""
    return f"{reason} ({reason_meaning(reason)})" + (f": {detail}" if detail else "")


def _detail(corpus: Path, rows: pl.DataFrame) -> str | None:
    """Of the first of some refused rows."""
    first = rows.row(0, named=True)
    same = (pl.col("source") == first["source"]) & (pl.col("source_row") == first["source_row"])
    return next(iter(read_rejects(corpus, "detail", where=same)["detail"]), None)


def _nearest(near: NearDuplicates, place: int) -> int | None:
    """Which of the prompts before it shares most of its words of meaning."""
    t = near.tokens
    start, end = t.offsets[place : place + 2]
    mine = np.unique(t.words[start:end])
    mine = mine[t.kinds[mine] & FUNCTION == 0]
    shared = np.r_[0, np.cumsum(np.isin(t.words[:start], mine))]
    common = shared[t.offsets[1 : place + 1]] - shared[t.offsets[:place]]
    if not common.any():
        return None
    return int(np.argmax(common / (near.profile.sizes[:place] + len(mine) - common).clip(1)))
