"""Near-duplicates in a column of prompts."""

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from prompts.dedup import joins, slips
from prompts.dedup.clusters import flaws
from prompts.dedup.config import NearConfig
from prompts.dedup.groups import group
from prompts.dedup.known import known_words
from prompts.dedup.language import FUNCTION, NUMERIC
from prompts.dedup.pairs import unique_pairs
from prompts.dedup.profile import Profile, make_profile
from prompts.dedup.searcher import Searcher, Threads
from prompts.dedup.searches import Job, Material, Search, in_plural, joined, misspelt, tagged
from prompts.dedup.style import Style, learn_style
from prompts.dedup.tables import parts_for
from prompts.dedup.tokens import Tokens, tokenise
from prompts.workspace import Workspace

_RARE, _ROWS_FOR_RARE = 8, 2_000
"""A word may be a slip when no more prompts have it than this, or than one in so many."""


@dataclass(frozen=True)
class NearDuplicates:
    """Pairs among N prompts, and what was learned of them."""

    pairs: NDArray[np.int32]  # [E, 3] prompt, other prompt, rule
    tokens: Tokens
    profile: Profile
    style: Style
    flaws: NDArray[np.int32]  # [N] `clusters.flaws`


def find_near_duplicates(
    texts: pl.Series | Iterable[pl.Series],
    config: NearConfig | None = None,
    *,
    trust: NDArray[np.int64] | None = None,
    workspace: Workspace | None = None,
    searcher: Searcher | None = None,
) -> NearDuplicates:
    """Find all pairs of prompts that mean the same.

    Args:
        texts: clean and distinct, in one column or several.
        config: how far two prompts may differ.
        trust: [N] the prompts, those that are sooner compared first; default: in their order. It matters only where so
            many are alike that not all of them are compared.
        workspace: of the large arrays; default memory.
        searcher: what runs the searches; default threads of this process.
    """
    searcher, workspace = searcher or Threads(), workspace or Workspace()
    t = tokenise([texts] if isinstance(texts, pl.Series) else texts, workspace)
    p = make_profile(t, workspace)
    with ThreadPoolExecutor(1) as beside:
        learning = beside.submit(learn_style, t, p, workspace, searcher.memory)
        equal, exchanged, leads = joins.join_equal_sets(
            t.words, t.borders, t.offsets, t.hashes, t.kinds, t.respelt, p.sets, p.sizes, _sharing(p.sets, trust)
        )
        material = _material(t, p, leads, trust, config or NearConfig())
        keys = len(material.leaders)
        judging = beside.submit(flaws, t, material.known)
        rare = (p.counts <= material.rare) & (t.kinds & (FUNCTION | NUMERIC) == 0)
        of_words = searcher.start(
            material,
            [*_jobs(misspelt, 4 * int(p.counts[rare].sum()) + keys, searcher), *_jobs(joined, keys, searcher)],
        )
        style = learning.result()
        of_style = searcher.start(
            material._replace(style=style), [*_jobs(tagged, keys, searcher), *_jobs(in_plural, keys, searcher)]
        )
    reordered = slips.judge_exchanged(t.words, t.offsets, t.hashes, t.kinds, exchanged)
    found = of_words()
    doubts = np.concatenate([each.doubts for each in found])
    doubtful = slips.judge_by_neighbours(t.words, t.offsets, t.hashes, t.kinds, p.counts, doubts)
    found += of_style()
    pairs = [equal, reordered, doubtful, *(each.pairs for each in found)]
    # Whatever found them first, and however often.
    return NearDuplicates(unique_pairs(np.concatenate(pairs)), t, p, style, judging.result())


def _sharing(sets: NDArray[np.uint64], trust: NDArray[np.int64] | None) -> NDArray[np.int64]:
    """Prompts whose set others have too, those of one set side by side and in the order of trust."""
    _, rows = group(sets)
    ranks = np.arange(len(sets))
    if trust is not None:
        ranks[trust] = np.arange(len(sets))
    return rows[np.lexsort((ranks[rows], sets[rows]))]


def _material(
    t: Tokens, p: Profile, leads: NDArray[np.bool_], trust: NDArray[np.int64] | None, config: NearConfig
) -> Material:
    leads &= p.sizes > 0
    leaders = np.flatnonzero(leads).astype(np.int32)
    trusted = leaders if trust is None else trust[leads[trust]].astype(np.int32)
    return Material(t, p, leaders, trusted, known_words(t), max(_RARE, len(t) // _ROWS_FOR_RARE), config)


def _jobs(search: Search, keys: int, searcher: Searcher) -> list[Job]:
    parts = max(parts_for(keys, searcher.memory), searcher.parts)
    return [Job(search, part, parts) for part in range(parts)]
