"""Near-duplicates of a column of prompts."""

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from prompts.dedup import joins
from prompts.dedup.clusters import cluster
from prompts.dedup.known import known_words
from prompts.dedup.profile import Profile, make_profile
from prompts.dedup.style import Style, learn_style
from prompts.dedup.tokens import Tokens, tokenise


@dataclass(frozen=True)
class NearDuplicates:
    """What became of N prompts."""

    kept: NDArray[np.int32]  # [N] index of the prompt that stands for it
    rules: NDArray[np.int8]  # [N] of `joins.RULES`; 0 for a prompt that stays
    pairs: NDArray[np.int32]  # [E, 3]
    tokens: Tokens
    profile: Profile
    style: Style


def find_near_duplicates(texts: pl.Series, detail_ratio: float = 3.0, tags_for_two: int = 6) -> NearDuplicates:
    """Cluster prompts that mean the same.

    Args:
        texts: clean and distinct; of equals the first stays, so their order decides, and nothing else does.
        detail_ratio: a detail that is no style may be missing where the rest has so many times its words.
        tags_for_two: tags of style in a prompt from which on two of them may be missing.
    """
    tokens = tokenise(texts)
    profile = make_profile(tokens)
    style = learn_style(tokens, profile)
    t, p = tokens, profile
    order = np.argsort(p.sets, kind="stable")
    equal, leads = joins.join_equal_sets(t.words, t.borders, t.offsets, t.hashes, t.kinds, p.sets, p.sizes, order)
    leaders = np.flatnonzero(leads & (p.sizes > 0)).astype(np.int32)
    keys = p.sets[leaders]
    known = known_words(tokens)
    limit = max(8, len(t) // 2_000)
    rare = joins.rare_words(
        t.words, t.offsets, t.kinds, p.counts, t.hashes, t.spellings, t.starts, p.sets, leaders, limit
    )
    misspelt, doubts = joins.join_misspelt(
        t.words, t.borders, t.offsets, t.hashes, t.kinds, t.spellings, t.starts, p.counts, known, p.sets, p.sizes,
        leaders, *rare, limit, keys,
    )  # fmt: skip
    joined = joins.join_joined(
        t.words, t.borders, t.offsets, t.hashes, t.states, t.kinds, t.spellings, t.starts, p.sets, leaders, keys
    )
    tagged = joins.join_tagged(
        t.words, t.borders, t.offsets, t.hashes, t.kinds, p.sets, p.sizes, p.segment_offsets, p.segment_own,
        p.segment_own_sizes, p.segment_starts, style.segment_is_style, style.phrases, leaders, keys,
        detail_ratio, tags_for_two,
    )  # fmt: skip
    told = joins.judge_by_neighbours(t.words, t.offsets, t.hashes, t.kinds, p.counts, doubts)
    pairs = np.concatenate([equal, misspelt, told, joined, tagged])
    kept, rules = cluster(pairs, len(t))
    return NearDuplicates(kept, rules, pairs, tokens, profile, style)
