"""From pairs to clusters, each with one prompt that stays and to which every other is directly related."""

import numpy as np
from numpy.typing import NDArray

from prompts.dedup.language import ARTICLE, FUNCTION, NUMERIC
from prompts.dedup.pairs import TAG
from prompts.dedup.tokens import Tokens
from prompts.kernels import kernel

_CUT_OFF = 1 << 20


def flaws(tokens: Tokens, known: NDArray[np.uint8], earlier: NDArray[np.int32] | None = None) -> NDArray[np.int32]:
    """[N] what speaks against a prompt where another means the same: words that nobody uses, as misspelt ones are, an
    article before a small word, `photo a of`, and a small word at the end, as of one that was cut: `a pumpkin with`.

    Args:
        tokens: of the prompts.
        known: [W] `known.known_words`.
        earlier: of the first of them, which are not looked at again.
    """
    before = np.empty(0, np.int32) if earlier is None else earlier
    return np.r_[before, _flaws(tokens.words, tokens.offsets[len(before) :], tokens.kinds, known)]


@kernel()
def _flaws(words, offsets, kinds, known):
    found = np.zeros(len(offsets) - 1, np.int32)
    for row in range(len(found)):
        for place in range(offsets[row], offsets[row + 1]):
            kind = kinds[words[place]]
            found[row] += not known[words[place]] and not kind & (FUNCTION | NUMERIC)
            if kind & ARTICLE and place + 1 < offsets[row + 1]:
                found[row] += kinds[words[place + 1]] & FUNCTION != 0
        if offsets[row + 1] > offsets[row] and kinds[words[offsets[row + 1] - 1]] & FUNCTION:
            found[row] += _CUT_OFF
    return found


def cluster(
    pairs: NDArray[np.int32],
    rows: int,
    flaws: NDArray[np.int32] | None = None,
    sizes: NDArray[np.int64] | None = None,
) -> tuple[NDArray[np.int32], NDArray[np.int8]]:
    """Which prompt stays for each, and by which rule.

    Slips, function words and order do not change the meaning, so prompts that are linked by these are one. A tag does
    change it a little: there a chain may lead far away, so a prompt joins only one that it is directly paired with,
    the one with the most such pairs first.

    Args:
        pairs: [E, 3] prompt, other prompt, rule.
        rows: how many prompts; those with a lower index stay where there is nothing else to choose by.
        flaws: [N] of equal meaning the one with the fewest stays,
        sizes: [N] and of those the one that most rows have, and of those the one with the most pairs.

    Returns:
        [N] the prompt that stays, itself for one that does, and [N] the rule, 0 for one that stays.
    """
    strict, loose = pairs[pairs[:, 2] != TAG], pairs[pairs[:, 2] == TAG]
    parents = same_meaning(pairs, rows)
    degrees = np.bincount(pairs[:, :2].ravel(), minlength=rows).astype(np.int32)
    nothing = np.zeros(rows, np.int64)
    centres = _centres(
        parents, degrees, nothing if flaws is None else flaws.astype(np.int64), nothing if sizes is None else sizes
    )
    linked = np.stack([centres[parents[loose[:, 0]]], centres[parents[loose[:, 1]]]], axis=1).astype(np.int32)
    linked = linked[linked[:, 0] != linked[:, 1]]
    linked = np.unique(np.concatenate([linked, linked[:, ::-1]]), axis=0) if len(linked) else linked
    bounds = np.searchsorted(linked[:, 0], np.arange(rows + 1))
    ties = np.diff(bounds)
    order = np.argsort(-ties[ties > 0], kind="stable")
    candidates = np.flatnonzero(ties > 0)[order]
    kept = _stars(candidates, bounds, linked[:, 1].copy(), rows)
    own = centres[parents]
    result = kept[own]
    rules = np.zeros(rows, np.int8)
    rules[result != own] = TAG
    _strict_rules(strict, result, rules)
    rules[(result == own) & (np.arange(rows) == own)] = 0
    return result, rules


def same_meaning(pairs: NDArray[np.int32], rows: int) -> NDArray[np.int32]:
    """[N] equal for prompts that slips, function words and order link, over any number of steps."""
    parents = np.arange(rows, dtype=np.int32)
    _unite(parents, pairs[pairs[:, 2] != TAG])
    return parents


@kernel()
def _root(parents, row):
    while parents[row] != row:
        parents[row] = parents[parents[row]]
        row = parents[row]
    return row


@kernel()
def _unite(parents, pairs):
    for index in range(len(pairs)):
        one, other = _root(parents, pairs[index, 0]), _root(parents, pairs[index, 1])
        if one < other:
            parents[other] = one
        else:
            parents[one] = other
    for row in range(len(parents)):
        parents[row] = _root(parents, row)


@kernel()
def _centres(parents, degrees, flaws, sizes):
    """[N] by root: the member with the fewest flaws, of the most rows, with the most pairs, the first of equals."""
    best = parents.copy()
    for row in range(len(parents)):
        root = parents[row]
        least = best[root]
        if (flaws[row], -sizes[row], -degrees[row]) < (flaws[least], -sizes[least], -degrees[least]):
            best[root] = row
    return best


@kernel()
def _stars(candidates, bounds, others, rows):
    kept = np.arange(rows).astype(np.int32)
    taken = np.zeros(rows, np.bool_)
    for centre in candidates:
        if taken[centre]:
            continue
        taken[centre] = True
        for place in range(bounds[centre], bounds[centre + 1]):
            other = others[place]
            if not taken[other]:
                taken[other] = True
                kept[other] = centre
    return kept


@kernel()
def _strict_rules(pairs, kept, rules):
    """The rule of a prompt's pair with the one that stays or, without one, of its first pair."""
    for direct in (True, False):
        for index in range(len(pairs)):
            for side in range(2):
                row = pairs[index, side]
                if rules[row] == 0 and (not direct or pairs[index, 1 - side] == kept[row]):
                    rules[row] = pairs[index, 2]
