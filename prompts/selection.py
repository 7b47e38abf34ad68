"""The second half of a build: which rows stay, which prompt stands for which row, and why.

Only numbers of rows are held here; their texts are read where they are needed.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from prompts.clean import normalise_texts, prompt_ids
from prompts.config import CorpusConfig
from prompts.dedup.clusters import cluster, same_meaning
from prompts.dedup.near import NearDuplicates, find_near_duplicates
from prompts.dedup.pairs import RULES, TAG
from prompts.dedup.split import split_style, subject_keys
from prompts.prepare import read_prepared
from prompts.rows import refuse
from prompts.scores.policy import refuse_outside
from prompts.sources import Source

EXACT, SUBJECT_CAP = "exact", "subject_cap"
EVALUATION_TEXT, EVALUATION_WORDS, EVALUATION_NEAR = "evaluation_text", "evaluation_words", "evaluation_near"


@dataclass(frozen=True)
class Selection:
    """What becomes of every row."""

    rows: pl.DataFrame
    """All rows, in the order of the sources: `row` (counted over all sources), `source` (index), `source_row`, `id`,
    `reason` and `detail` (of rows without a prompt that stays), `kept` (the id of the prompt that stands for the row)
    and `rule` (why the row is not in the corpus itself)."""
    prompts: pl.DataFrame
    """Those that stay, by `id`: `row`, `subject`, `style`, `cluster_size`."""


def select(
    sources: Sequence[Source], prepared: Sequence[Path], config: CorpusConfig, evaluation: Sequence[str]
) -> Selection:
    """Decide on every row.

    Args:
        sources: in order of trust.
        prepared: of each, `prepare.prepare`.
        evaluation: prompts that must not be in the corpus.
    """
    rows = _refuse(_load(sources, prepared, config), config, evaluation)
    exact = _exact(rows)
    texts = read_prepared(prepared, ["text"], rows["row"].is_in(exact["row"].implode()))["text"].cast(pl.String)
    # As they were read, then by trust and name, so that neither the order nor the number of files decides.
    texts = texts.gather(exact["row"].rank("ordinal").cast(pl.Int64) - 1)
    return _decide(rows, exact, texts, config, evaluation)


def _load(sources: Sequence[Source], prepared: Sequence[Path], config: CorpusConfig) -> pl.DataFrame:
    """All rows, those refused that are outside the limits of their source."""
    parts = []
    for index, (source, path) in enumerate(zip(sources, prepared, strict=True)):
        policy = config.filters_of(source.config)
        scores = [f"score_{name}" for name, _ in policy.active()]
        rows = read_prepared([path], ["source_row", "reason", "detail", "id", "language", "noise", "raw", *scores])
        parts.append(refuse_outside(rows, policy).drop(scores).with_columns(source=pl.lit(index, pl.UInt16)))
    return pl.concat(parts, how="diagonal_relaxed").with_row_index("row")


def _refuse(rows: pl.DataFrame, config: CorpusConfig, evaluation: Sequence[str]) -> pl.DataFrame:
    if config.languages is not None:
        other = ~pl.col("language").is_in([*config.languages, "und"])
        rows = rows.with_columns(refuse(other, "language", pl.col("language")))
    if evaluation:
        held_out = prompt_ids(normalise_texts(pl.Series(evaluation)))
        rows = rows.with_columns(refuse(pl.col("id").is_in(held_out.implode()), EVALUATION_TEXT))
    return rows


def _exact(rows: pl.DataFrame) -> pl.DataFrame:
    """One row for each prompt, of the most trusted source, the least changed, and then by content; `size` has it."""
    order = ["source", "noise", "raw", "source_row"]
    good = rows.lazy().filter(pl.col("reason").is_null()).select("id", "row", *order)
    firsts = good.sort("id", *order).group_by("id", maintain_order=True).agg(pl.first("row", "source"), size=pl.len())
    return firsts.sort("source", "id").collect()


def _decide(
    rows: pl.DataFrame, exact: pl.DataFrame, texts: pl.Series, config: CorpusConfig, evaluation: Sequence[str]
) -> Selection:
    count = len(texts)
    near = find_near_duplicates(pl.concat([texts, pl.Series(evaluation, dtype=pl.String)]), config.near)
    reasons, details = _contaminated(near, count, evaluation)
    clean = (reasons == "")[np.minimum(near.pairs[:, :2], count - 1)].all(axis=1) & (near.pairs[:, :2] < count).all(
        axis=1
    )
    kept, rules = cluster(near.pairs[clean], count)
    kept[reasons != ""] = -1
    sizes = np.bincount(kept[kept >= 0], weights=exact["size"].to_numpy()[kept >= 0], minlength=count).astype(np.int64)
    ids = exact["id"].to_numpy()
    if config.subject_cap is not None:
        _cap(near, kept, sizes, ids, reasons, config.subject_cap)
    stays = np.flatnonzero((kept == np.arange(count)) & (reasons == ""))
    prompts = exact.select("id", "row").with_columns(cluster_size=pl.Series(sizes, dtype=pl.Int32))
    prompts = pl.concat([prompts, split_style(texts, near)], how="horizontal")[stays].sort("id")
    names = np.array(["", *RULES.values()], dtype=object)
    verdicts = pl.DataFrame(
        {
            "id": ids,
            "first": exact["row"],
            "kept": np.where(kept >= 0, ids[np.maximum(kept, 0)], 0),
            "near_rule": pl.Series(names[rules].tolist(), dtype=pl.String),
            "verdict": pl.Series(reasons.tolist(), dtype=pl.String),
            "about": pl.Series(details.tolist(), dtype=pl.String),
        }
    )
    return Selection(_apply(rows, verdicts), prompts)


def _contaminated(near: NearDuplicates, count: int, evaluation: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """[count] why a prompt is too close to an evaluation prompt, "" where it is not, and to which."""
    reasons, details = np.full(count, "", dtype=object), np.full(count, None, dtype=object)
    if not len(evaluation):
        return reasons, details
    meanings = same_meaning(near.pairs, count + len(evaluation))
    about = {int(meaning): text for meaning, text in zip(meanings[count:], evaluation, strict=True)}
    banned = np.isin(meanings, np.fromiter(about, np.int32))
    close = [(row, row) for row in np.flatnonzero(banned[:count])]
    tags = near.pairs[near.pairs[:, 2] == TAG]
    for one, other in ((0, 1), (1, 0)):
        touching = tags[banned[tags[:, other]] & (tags[:, one] < count)]
        close += [(row, by) for row, by in touching[:, (one, other)]]
    for row, by in close:
        reasons[row], details[row] = EVALUATION_NEAR, about[int(meanings[by])]
    words = {int(near.profile.sets[count + index]): text for index, text in enumerate(evaluation)}
    same = np.flatnonzero(
        np.isin(near.profile.sets[:count], np.fromiter(words, np.uint64)) & (near.profile.sizes[:count] > 0)
    )
    reasons[same] = EVALUATION_WORDS
    details[same] = [words[int(near.profile.sets[row])] for row in same]
    return reasons, details


def _cap(
    near: NearDuplicates,
    kept: NDArray[np.int32],
    sizes: NDArray[np.int64],
    ids: NDArray[np.uint64],
    reasons: np.ndarray,
    cap: int,
) -> None:
    """Refuse all but the `cap` largest clusters of each subject."""
    subjects = subject_keys(near)[: len(kept)]
    centres = np.flatnonzero((kept == np.arange(len(kept))) & (reasons == ""))
    order = centres[np.lexsort((ids[centres], -sizes[centres], subjects[centres]))]
    new = np.r_[True, subjects[order][1:] != subjects[order][:-1]]
    starts = np.maximum.accumulate(np.where(new, np.arange(len(order)), 0))
    over = order[np.arange(len(order)) - starts >= cap]
    dropped = np.isin(kept, over)
    reasons[dropped] = SUBJECT_CAP
    kept[dropped] = -1


def _apply(rows: pl.DataFrame, verdicts: pl.DataFrame) -> pl.DataFrame:
    good = pl.col("reason").is_null()
    first = pl.col("row") == pl.col("first")
    joined = rows.select("row", "source", "source_row", "id", "reason", "detail").join(
        verdicts, on="id", how="left", maintain_order="left"
    )
    refused = good & (pl.col("verdict") != "")
    near = pl.when(pl.col("near_rule") != "").then("near_rule")
    return joined.with_columns(
        kept=pl.when(good & (pl.col("verdict") == "")).then("kept"),
        rule=pl.coalesce(
            "reason", pl.when(refused).then("verdict"), pl.when(first).then(near).otherwise(pl.lit(EXACT))
        ),
        reason=pl.coalesce("reason", pl.when(refused).then("verdict")),
        detail=pl.coalesce("detail", pl.when(refused).then("about")),
    ).select("row", "source", "source_row", "id", "reason", "detail", "kept", "rule")
