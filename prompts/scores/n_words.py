"""Words of a text. A word has a letter or a digit; scripts without spaces count by character."""

import numpy as np
import polars as pl

from prompts.kernels import kernel
from prompts.strings import strings_of

_UNSPACED = r"\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}"
_WORD = rf"[{_UNSPACED}]|[\p{{L}}\p{{N}}][^\s{_UNSPACED}]*"


def n_words(rows: pl.DataFrame) -> pl.Series:
    """Number of words of `text`, as Int32."""
    texts = rows["text"].fill_null("")
    counts, ascii_only = _count(*strings_of(texts))
    others = ~pl.Series(ascii_only)
    if others.any():
        counts[others.to_numpy()] = texts.filter(others).str.count_matches(_WORD).to_numpy()
    return pl.Series(counts, dtype=pl.Int32)


@kernel()
def _count(data, offsets):
    """What the expression says, for ASCII; the rest is left to the expression."""
    rows = len(offsets) - 1
    counts = np.zeros(rows, dtype=np.int32)
    ascii_only = np.ones(rows, dtype=np.bool_)
    for row in range(rows):
        inside = False
        count = 0
        for i in range(offsets[row], offsets[row + 1]):
            byte = data[i]
            if byte >= 128:
                ascii_only[row] = False
                break
            if byte == 32 or 9 <= byte <= 13:
                inside = False
            elif not inside and (97 <= (byte | 32) <= 122 or 48 <= byte <= 57):
                inside = True
                count += 1
        counts[row] = count
    return counts, ascii_only
