"""The last step of every search that leaves something out or writes it anew: who has that key, and means the same."""

from prompts.dedup.meaning import same_order
from prompts.dedup.pairs import push
from prompts.dedup.tables import find
from prompts.kernels import kernel


@kernel()
def push_matches(
    words, borders, offsets, hashes, kinds, row, skip, skip_end, gap, gap_end, at, new, rule, rows, keys, slots,
    following, key, scratch, pairs, count,
):  # fmt: skip
    """Append the pairs of a row with all others of one key that pass the guard; returns what `push` does.

    Args:
        skip, skip_end, gap, gap_end, at, new, scratch: of `same_order`.
        rule: of the pairs.
        rows, keys: those that are looked among.
        slots, following: `make_table(keys)`.
    """
    entry = find(slots, keys, key)
    while entry >= 0:
        other = rows[entry]
        entry = following[entry]
        if other != row and same_order(
            words, borders, hashes, kinds, offsets[row], offsets[row + 1], offsets[other], offsets[other + 1],
            skip, skip_end, gap, gap_end, at, new, scratch,
        ):  # fmt: skip
            pairs, count = push(pairs, count, row, other, rule)
    return pairs, count
