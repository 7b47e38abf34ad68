"""What little must be known of words beforehand: those that carry no meaning of their own, and those that always do.

Closed classes of a language, not topics: which words belong to a style is learned from the prompts themselves.
"""

import numpy as np
from numpy.typing import NDArray

ARTICLE, FUNCTION, CONJUNCTION_WORD, GUARDED, NUMERIC, NEGATION = 1, 2, 4, 8, 16, 32

_ARTICLES = (
    "a an the some this that these those ein eine einen einem einer der das dem des un une le la les "
    "una unos unas el los las lo il gli uno um uma o os het een"
)
_FUNCTION = (
    "of in on at with to for by from as is are was be its it his her their into onto over upon which who whose there "
    "while so such very really just also then mit auf von im ist aus bei zu de du des dans sur avec au aux en del "
    "di da na em para por op aan"
)
_CONJUNCTIONS = "and und et y e en"
_NEGATIONS = "no not without never none nothing non neither nor sans ohne kein keine sin senza sem zonder"
_GUARDED = (
    "zero one two three four five six seven eight nine ten eleven twelve dozen twenty hundred thousand single double "
    "triple pair half both "
    "red blue green yellow black white orange purple pink brown grey gray golden gold silver cyan magenta violet "
    "turquoise beige crimson scarlet teal navy maroon olive indigo left right"
)


def word_kinds(spellings: NDArray[np.uint8], starts: NDArray[np.int64]) -> NDArray[np.uint8]:
    """Flags of each distinct word."""
    listed: dict[bytes, int] = {}
    for kind, words in (
        (ARTICLE | FUNCTION, _ARTICLES),
        (FUNCTION, _FUNCTION),
        (FUNCTION | CONJUNCTION_WORD, _CONJUNCTIONS),
        (GUARDED, _GUARDED),
        (GUARDED | NEGATION, _NEGATIONS),
    ):
        for word in words.split():
            listed[word.encode()] = listed.get(word.encode(), 0) | kind
    kinds = np.zeros(len(starts) - 1, np.uint8)
    blob = spellings.tobytes()
    bounds = starts.tolist()
    for word in range(len(kinds)):
        spelling = blob[bounds[word] : bounds[word + 1]]
        flags = listed.get(spelling, 0)
        if any(48 <= byte <= 57 for byte in spelling):
            flags |= NUMERIC
        kinds[word] = flags
    return kinds
