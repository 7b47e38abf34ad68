"""Near-duplicates in a column of prompts, or in one that goes on where an earlier one ended.

Whether two prompts are one hardly depends on the rest. So when there are more prompts, pairs of old ones stay, but for
what is learned of all: which words are rare, what is style, and which prompts lead. Old prompts whose style or lead
changed are looked at like new ones; how rare words are is judged anew for all that may be slips.
"""

from collections.abc import Callable, Iterable
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
from prompts.dedup.searches import Found, Job, Material, Search, in_plural, joined, misspelt, tagged
from prompts.dedup.style import Style, learn_style
from prompts.dedup.tables import parts_for
from prompts.dedup.tokens import Tokens, tokenise
from prompts.workspace import Workspace

_RARE, _ROWS_FOR_RARE = 8, 2_000
"""A word may be a slip when no more prompts have it than this, or than one in so many; rounded down to a power of two,
so that it seldom changes."""


@dataclass(frozen=True)
class NearDuplicates:
    """Pairs among N prompts, and all that a search over more of them needs."""

    pairs: NDArray[np.int32]  # [E, 3] prompt, other prompt, rule
    tokens: Tokens
    profile: Profile
    style: Style
    flaws: NDArray[np.int32]  # [N] `clusters.flaws`
    leads: NDArray[np.bool_]  # [N] prompts that are no mere rewording of another
    found: NDArray[np.int32]  # [., 3] those pairs that do not depend on how often words are used
    slips: NDArray[np.int32]  # [C, 5] candidates for `slips.judge_misspelt`
    rare: int
    """Prompts, at most, that have a word which may be a slip."""
    all_seen: bool
    """Whether all candidates were looked at."""

    def __len__(self) -> int:
        return len(self.leads)


def find_near_duplicates(
    texts: pl.Series | Iterable[pl.Series],
    config: NearConfig | None = None,
    *,
    trust: NDArray[np.int64] | None = None,
    workspace: Workspace | None = None,
    searcher: Searcher | None = None,
    earlier: NearDuplicates | None = None,
) -> NearDuplicates:
    """Find all pairs of prompts that mean the same.

    Args:
        texts: clean and distinct, in one column or several.
        config: how far two prompts may differ.
        trust: [N] the prompts, those that are sooner compared first; default: in their order. It matters only where so
            many are alike that not all of them are compared.
        workspace: of the large arrays; default memory.
        searcher: what runs the searches; default threads of this process.
        earlier: what was found, by the same `config`, among prompts that come before `texts`. The result is that of all
            of them at once.
    """
    searcher, workspace, config = searcher or Threads(), workspace or Workspace(), config or NearConfig()
    texts = [texts] if isinstance(texts, pl.Series) else texts
    before = (earlier.tokens, earlier.profile, earlier.flaws) if earlier else (None, None, None)
    t = tokenise(texts, workspace, before[0])
    p = make_profile(t, workspace, before[1])
    known, rare = known_words(t), _rare(len(t))
    with ThreadPoolExecutor(2) as beside:
        learning = beside.submit(learn_style, t, p, workspace, searcher.memory)
        judging = beside.submit(flaws, t, known, before[2])
        equal, exchanged, leads = joins.join_equal_sets(
            t.words, t.borders, t.offsets, t.hashes, t.kinds, t.respelt, p.sets, p.sizes, _sharing(p.sets, trust)
        )
        leads &= p.sizes > 0
        everybody = np.ones(len(t), np.bool_)
        fresh = _fresh(t, p, learning.result(), leads, earlier) if earlier else everybody
        again = not earlier or earlier.rare != rare or not earlier.all_seen
        ranked = np.arange(len(t)) if trust is None else trust
        search = _Search(searcher, Material(t, p, None, _NOBODY, _NOBODY, ranked, known, rare, config), leads)
        of_words = search.start(everybody if again else fresh, misspelt, joined)
        style = learning.result()
        of_style = search.start(fresh, tagged, in_plural, style=style)
        found = of_words()
        if not again and not all(each.all_seen for each in found):
            # Which of too many are compared depends on all of them.
            again, found = True, search.start(everybody, misspelt, joined)()
        found += of_style()
    found.append(_of_old(earlier, ~fresh, again) if earlier else Found())
    all_found = unique_pairs(np.concatenate([each.pairs for each in found]))
    all_slips = np.concatenate([each.slips for each in found])
    sure, doubts = slips.judge_misspelt(all_slips, t.spellings, t.starts, t.kinds, p.counts, known, p.sizes, rare)
    unusual = slips.judge_by_neighbours(
        t.words, t.offsets, t.hashes, t.kinds, p.counts, doubts,
        joins.exchanged_in_style(exchanged, p.segment_offsets, p.segment_starts, style.segment_is_style),
    )  # fmt: skip
    return NearDuplicates(
        unique_pairs(np.concatenate([equal, all_found, sure, unusual])),  # whatever found them first, however often
        t,
        p,
        style,
        judging.result(),
        leads,
        all_found,
        all_slips,
        rare,
        all(each.all_seen for each in found),
    )


_NOBODY = np.empty(0, np.int32)


def _rare(prompts: int) -> int:
    return max(_RARE, 1 << max(0, (prompts // _ROWS_FOR_RARE).bit_length() - 1))


def _sharing(sets: NDArray[np.uint64], trust: NDArray[np.int64] | None) -> NDArray[np.int64]:
    """Prompts whose set others have too, those of one set side by side and in the order of trust."""
    _, rows = group(sets)
    ranks = np.arange(len(sets))
    if trust is not None:
        ranks[trust] = np.arange(len(sets))
    return rows[np.lexsort((ranks[rows], sets[rows]))]


def _fresh(t: Tokens, p: Profile, style: Style, leads: NDArray[np.bool_], earlier: NearDuplicates) -> NDArray[np.bool_]:
    """[N] prompts of which pairs are looked for: new ones, and old ones that are not what they were."""
    fresh = np.ones(len(t), np.bool_)
    before = earlier.style
    changed = (style.segment_is_style[: len(before.segment_is_style)] != before.segment_is_style) | (
        style.segment_is_detail[: len(before.segment_is_detail)] != before.segment_is_detail
    )
    fresh[: len(earlier)] = (leads[: len(earlier)] != earlier.leads) | joins.may_be_tagged_otherwise(
        t.words, t.offsets, t.hashes, t.kinds, p.segment_offsets, p.segment_starts,
        changed, np.setxor1d(style.phrases, before.phrases), len(earlier),
    )  # fmt: skip
    return fresh


def _of_old(earlier: NearDuplicates, old: NDArray[np.bool_], again: bool) -> Found:
    """What was found between old prompts and still holds; without slips where they were looked for again."""
    pairs, maybe = earlier.found, earlier.slips[: 0 if again else None]
    return Found(pairs[old[pairs[:, 0]] & old[pairs[:, 1]]], maybe[old[maybe[:, 0]] & old[maybe[:, 2]]])


class _Search:
    """Starts searches that find all pairs with a fresh prompt.

    Args:
        searcher: what runs them.
        material: with nobody yet who seeks.
        leads: [N] prompts that take part.
    """

    def __init__(self, searcher: Searcher, material: Material, leads: NDArray[np.bool_]) -> None:
        self._searcher, self._material, self._leads = searcher, material, leads

    def start(
        self, fresh: NDArray[np.bool_], *searches: Search, style: Style | None = None
    ) -> Callable[[], list[Found]]:
        """Begin; what is returned waits for the end."""
        old, new = self._leads & ~fresh, self._leads & fresh
        waiting = []
        for seekers, among in (new, self._leads), (old, new):
            some, others = (np.flatnonzero(each).astype(np.int32) for each in (seekers, among))
            material = self._material._replace(style=style, seekers=some, among=others)
            jobs = [job for search in searches for job in self._jobs(search, len(others))]
            waiting.append(self._searcher.start(material, jobs if len(some) and len(others) else []))
        return lambda: [found for wait in waiting for found in wait()]

    def _jobs(self, search: Search, among: int) -> list[Job]:
        keys = among
        if search is misspelt:
            p, kinds = self._material.profile, self._material.tokens.kinds
            rare = (p.counts <= self._material.rare) & (kinds & (FUNCTION | NUMERIC) == 0)
            keys += 4 * int(p.counts[rare].sum() * among / max(1, len(self._leads)))
        parts = max(parts_for(keys, self._searcher.memory), self._searcher.parts)
        return [Job(search, part, parts) for part in range(parts)]
