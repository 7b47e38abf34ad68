"""Near-duplicates in a column of prompts."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from prompts.dedup import forms, joins, slips
from prompts.dedup.config import NearConfig
from prompts.dedup.known import known_words
from prompts.dedup.profile import Profile, make_profile
from prompts.dedup.style import Style, learn_style
from prompts.dedup.tokens import Tokens, tokenise

_RARE, _ROWS_FOR_RARE = 8, 2_000
"""A word may be a slip when no more prompts have it than this, or than one in so many."""


@dataclass(frozen=True)
class NearDuplicates:
    """Pairs among N prompts, and what was learned of them."""

    pairs: NDArray[np.int32]  # [E, 3] prompt, other prompt, rule
    tokens: Tokens
    profile: Profile
    style: Style


def find_near_duplicates(texts: pl.Series, config: NearConfig | None = None) -> NearDuplicates:
    """Find all pairs of prompts that mean the same.

    Args:
        texts: clean and distinct.
        config: how far two prompts may differ.
    """
    config = config or NearConfig()
    tokens = tokenise(texts)
    profile = make_profile(tokens)
    t, p = tokens, profile
    order = np.argsort(p.sets, kind="stable")
    equal, exchanged, leads = joins.join_equal_sets(
        t.words, t.borders, t.offsets, t.hashes, t.kinds, p.sets, p.sizes, order
    )
    leaders = np.flatnonzero(leads & (p.sizes > 0)).astype(np.int32)
    # Compiled loops let go of the interpreter, and neither half needs the other.
    with ThreadPoolExecutor(1) as beside:
        misspelt = beside.submit(_misspelt, tokens, profile, leaders)
        style = learn_style(tokens, profile)
        tagged = _tagged(tokens, profile, style, leaders, config)
        reordered = slips.judge_exchanged(t.words, t.offsets, t.hashes, t.kinds, exchanged)
        pairs = np.concatenate([equal, reordered, *misspelt.result(), *tagged])
    return NearDuplicates(pairs, tokens, profile, style)


def _misspelt(t: Tokens, p: Profile, leaders: NDArray[np.int32]) -> list[NDArray[np.int32]]:
    """Pairs that differ in the spelling of one word."""
    known = known_words(t)
    limit = max(_RARE, len(t) // _ROWS_FOR_RARE)
    keys = p.sets[leaders]
    rare = slips.rare_words(
        t.words, t.offsets, t.kinds, p.counts, t.hashes, t.spellings, t.starts, p.sets, leaders, limit
    )
    sure, doubts = slips.join_misspelt(
        t.words, t.borders, t.offsets, t.hashes, t.kinds, t.spellings, t.starts, p.counts, known, p.sets, p.sizes,
        leaders, *rare, limit, keys,
    )  # fmt: skip
    return [sure, slips.judge_by_neighbours(t.words, t.offsets, t.hashes, t.kinds, p.counts, doubts)]


def _tagged(
    t: Tokens, p: Profile, style: Style, leaders: NDArray[np.int32], config: NearConfig
) -> list[NDArray[np.int32]]:
    """Pairs that differ in a tag or a detail, or in the way in which a word is written."""
    keys = p.sets[leaders]
    tagged = joins.join_tagged(
        t.words, t.borders, t.offsets, t.hashes, t.kinds, p.sets, p.sizes, p.segment_offsets, p.segment_own,
        p.segment_own_sizes, p.segment_starts, style.segment_is_style, style.phrases, leaders, keys,
        config.detail_ratio, config.tags_for_two,
    )  # fmt: skip
    joined = forms.join_joined(
        t.words, t.borders, t.offsets, t.hashes, t.states, t.kinds, t.spellings, t.starts, p.sets, leaders, keys
    )
    several = forms.plurals(t.states, t.kinds, t.spellings, t.starts)
    numbers = forms.join_plurals(
        t.words, t.borders, t.offsets, t.hashes, t.kinds, p.sets, p.segment_offsets, p.segment_starts,
        style.segment_is_style, several, leaders, keys,
    )  # fmt: skip
    return [joined, numbers, tagged]
