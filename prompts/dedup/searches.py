"""The searches for near-duplicates. Each looks up exact keys, so each can be cut into parts by key.

The parts of a search share nothing but what they read. They may run one after the other in little memory, side by side
on threads, or on many machines: together they find the same pairs.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from prompts.dedup import forms, joins, slips
from prompts.dedup.config import NearConfig
from prompts.dedup.profile import Profile
from prompts.dedup.style import Style
from prompts.dedup.tables import keys_in_part
from prompts.dedup.tokens import Tokens


class Material(NamedTuple):
    """What is searched."""

    tokens: Tokens
    profile: Profile
    style: Style | None  # not for every search
    seekers: NDArray[np.int32]  # prompts that look for others; like all here no mere rewordings of others, ascending
    among: NDArray[np.int32]  # prompts that are looked among
    trust: NDArray[np.int64]  # [N] all prompts, those first that are sooner compared
    known: NDArray[np.uint8]  # [W] `known.known_words`
    rare: int  # a word may be a slip when no more prompts have it
    config: NearConfig


class Found(NamedTuple):
    """By one part of a search."""

    pairs: NDArray[np.int32] = np.empty((0, 3), np.int32)  # [E, 3] prompt, other prompt, rule
    slips: NDArray[np.int32] = np.empty((0, 5), np.int32)  # [C, 5] candidates for `slips.judge_misspelt`
    all_seen: bool = True  # else so many were alike that only the trusted ones of them were compared


Search = Callable[[Material, int, int], Found]
"""Takes which part, of how many."""


class Job(NamedTuple):
    """One part of a search."""

    search: Search
    part: int
    parts: int

    def __call__(self, material: Material) -> Found:
        return self.search(material, self.part, self.parts)


def misspelt(material: Material, part: int, parts: int) -> Found:
    """Pairs that may differ in the spelling of one word."""
    t, p = material.tokens, material.profile
    ends = slips.word_ends(t.spellings, t.starts, t.also)
    letters = slips.word_letters(t.spellings, t.starts, t.also)

    def compare(among: NDArray[np.int32]) -> tuple[NDArray[np.int32], bool]:
        rare = slips.rare_words(
            t.words, t.offsets, t.kinds, p.counts, t.hashes, *ends, p.sets, among, material.rare, part, parts
        )
        return slips.join_misspelt(
            t.words, t.borders, t.offsets, t.hashes, t.kinds, t.spellings, t.starts, t.also, *ends, letters,
            p.counts, material.known, p.sets, p.sizes, material.seekers, *rare, material.rare, part, parts,
        )  # fmt: skip

    found, all_seen = compare(material.among)  # in the order of rows, which is the faster one and seldom matters
    if not all_seen:
        found, all_seen = compare(material.trust[np.isin(material.trust, material.among)].astype(np.int32))
    again = slips.join_misspelt_again(
        t.words, t.borders, t.offsets, t.hashes, t.kinds, t.spellings, t.starts, t.also, p.counts, material.known,
        p.sets, p.sizes, material.seekers, material.rare, *keys_in_part(material.among, p.sets, part, parts), part,
        parts,
    )  # fmt: skip
    return Found(slips=np.concatenate([found, again]), all_seen=all_seen)


def tagged(material: Material, part: int, parts: int) -> Found:
    """Pairs that differ in a tag or a detail."""
    t, p, style = material.tokens, material.profile, material.style
    assert style is not None
    pairs = joins.join_tagged(
        t.words, t.borders, t.offsets, t.hashes, t.kinds, p.sets, p.sizes, p.segment_offsets, p.segment_own,
        p.segment_own_sizes, p.segment_starts, style.segment_is_style, style.segment_is_detail, style.phrases,
        material.seekers, *keys_in_part(material.among, p.sets, part, parts), part, parts,
        material.config.detail_ratio, material.config.tags_for_two,
    )  # fmt: skip
    return Found(pairs)


def joined(material: Material, part: int, parts: int) -> Found:
    """Pairs of which one writes as one word what the other writes as two."""
    t, p = material.tokens, material.profile
    pairs = forms.join_joined(
        t.words, t.borders, t.offsets, t.hashes, t.states, t.kinds, t.spellings, t.starts, p.sets, material.seekers,
        *keys_in_part(material.among, p.sets, part, parts), part, parts,
    )  # fmt: skip
    return Found(pairs)


def in_plural(material: Material, part: int, parts: int) -> Found:
    """Pairs of which one has in the plural what the other has in the singular."""
    t, p, style = material.tokens, material.profile, material.style
    assert style is not None
    pairs = forms.join_plurals(
        t.words, t.borders, t.offsets, t.hashes, t.kinds, t.spellings, t.starts, p.sets, p.segment_offsets,
        p.segment_starts, style.segment_is_style, forms.plurals(t.states, t.kinds, t.spellings, t.starts),
        material.seekers, *keys_in_part(material.among, p.sets, part, parts), part, parts,
    )  # fmt: skip
    return Found(pairs)
