"""Which prompts say what an evaluation prompt says: by near-duplicates, and by the same words in any order."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from prompts.dedup.clusters import same_meaning
from prompts.dedup.pairs import TAG

CONTAMINATED = ("", "evaluation_near", "evaluation_words")
"""Verdicts on a prompt; the first: it is not."""
_NEAR, _WORDS = 1, 2


def contaminated(
    pairs: NDArray[np.int32], sets: NDArray[np.uint64], sizes: NDArray[np.int32], evaluation: Sequence[str]
) -> tuple[NDArray[np.uint8], dict[int, str]]:
    """Which prompts are too close to an evaluation prompt, and to which.

    Args:
        pairs, sets, sizes: of N prompts, and after them the evaluation prompts.
        evaluation: their texts.

    Returns:
        [N] place in `CONTAMINATED`, and of some the evaluation prompt's text.
    """
    count = len(sets) - len(evaluation)
    verdicts, details = np.zeros(count, np.uint8), dict[int, str]()
    if not len(evaluation):
        return verdicts, details
    meanings = same_meaning(pairs, len(sets))
    about = {int(meaning): text for meaning, text in zip(meanings[count:], evaluation, strict=True)}
    banned = np.isin(meanings, np.fromiter(about, np.int32))
    close = [(row, row) for row in np.flatnonzero(banned[:count])]
    tags = pairs[pairs[:, 2] == TAG]
    for one, other in ((0, 1), (1, 0)):
        touching = tags[banned[tags[:, other]] & (tags[:, one] < count)]
        close += [(row, by) for row, by in touching[:, (one, other)]]
    for row, by in close:
        verdicts[row], details[int(row)] = _NEAR, about[int(meanings[by])]
    words = {int(words): text for words, text in zip(sets[count:], evaluation, strict=True)}
    for row in np.flatnonzero(np.isin(sets[:count], np.fromiter(words, np.uint64)) & (sizes[:count] > 0)):
        verdicts[row], details[int(row)] = _WORDS, words[int(sets[row])]
    return verdicts, details
