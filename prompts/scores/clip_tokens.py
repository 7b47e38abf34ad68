"""How many tokens CLIP's tokenizer makes of a text: exactly, and nearly as fast as the text can be read.

CLIP repairs a text, lowers it, cuts it into pieces (runs of letters, single digits, runs of signs) and encodes each
piece by itself. So pieces can be counted one by one, and frequent ones once. In most texts there is nothing to repair;
where there may be, the libraries that CLIP's tokenizer repairs and cuts with do it here too.
"""

import html

import numpy as np
import polars as pl

from prompts.kernels import kernel
from prompts.scores.bpe import count_piece, load_merges
from prompts.scores.word_hash import SEED, finish, grow
from prompts.strings import strings_of

_MEMORY = 1 << 16
"""Pieces remembered at a time, at the place that the top 16 bits of their hash name."""

_QUOTES = {"‘": "'", "’": "'", "“": '"', "”": '"'}

# Texts that the repair leaves alone but for curled quotation marks: no HTML, no controls, no signs that a wrong
# decoding of UTF-8 leaves behind. Quotation marks next to accented letters are such signs, hence two alternatives.
_INTACT = (
    r"^[ -~‘’“”–—…]*$|"
    r"^[ -~–—…áéíóúñüöäçßêôîûëïłńąęśżźćа-яА-ЯёЁא-תء-غف-ي、。「」『』ぁ-ゖァ-ヺー"
    r"\x{4E00}-\x{9FFF}\x{AC00}-\x{D7A3}\x{1F300}-\x{1FAFF}\x{FE0F}]*$"
)
_NEEDS_CARE = r"&(?:#|[\p{L}\p{N}][\p{L}\p{N};])|(?i:t>)"
_PIECE = r"<start_of_text>|<end_of_text>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"
_SPECIAL = {"<start_of_text>", "<end_of_text>"}


def clip_tokens(rows: pl.DataFrame) -> pl.Series:
    """Tokens of `text` with the start and the end token, as Int32; not cut at the 77 that CLIP reads."""
    texts = rows["text"].fill_null("")
    counts, plain = _count(*strings_of(texts), *load_merges())
    if not plain.all():
        places = np.flatnonzero(~plain)
        counts[places] = _count_others(texts.gather(places))
    return pl.Series(counts, dtype=pl.Int32)


def _count_others(texts: pl.Series) -> np.ndarray:
    """Counts of texts that are not plain ASCII."""
    intact = texts.str.contains(_INTACT) & ~texts.str.contains(_NEEDS_CARE)
    ready = texts.filter(intact).str.replace_many(_QUOTES).str.to_lowercase()
    counts = np.empty(len(texts), dtype=np.int32)
    counts[intact.to_numpy()] = _count(*strings_of(ready), *load_merges(), True)[0]
    counts[~intact.to_numpy()] = [_count_repaired(text) for text in texts.filter(~intact)]
    return counts


def _count_repaired(text: str) -> int:
    """One text, step by step as CLIP's tokenizer goes."""
    import ftfy
    import regex

    repaired = html.unescape(html.unescape(ftfy.fix_text(text)))
    pieces = regex.findall(_PIECE, " ".join(repaired.split()).lower(), regex.IGNORECASE)
    total = 2
    for piece in pieces:
        if piece in _SPECIAL:
            total += 1
        else:
            data = np.frombuffer(piece.encode(), dtype=np.uint8)
            total += count_piece(data, *load_merges())
    return total


_SPACE, _LETTER, _DIGIT, _SIGN, _REST, _ASK = range(6)


def _kinds() -> np.ndarray:
    """What a byte begins. `_REST` goes on with a character; of what is not ASCII, only what an intact text has."""
    kinds = np.full(256, _SIGN, dtype=np.uint8)
    kinds[32] = _SPACE
    kinds[ord("0") : ord("9") + 1] = _DIGIT
    kinds[ord("a") : ord("z") + 1] = kinds[ord("A") : ord("Z") + 1] = _LETTER
    kinds[0x80:0xC0] = _REST
    kinds[0xC0:] = _LETTER
    kinds[[0xE2, 0xF0]] = _SIGN  # dashes, dots, emoji
    kinds[[0xE3, 0xEF]] = _ASK  # kana or East Asian punctuation, a form or a mark
    return kinds


_KIND = _kinds()
_LOWER = np.arange(256, dtype=np.uint8)
_LOWER[ord("A") : ord("Z") + 1] += 32
_WORDLIKE = (_KIND == _LETTER) | (_KIND == _DIGIT) | (np.arange(256) == ord(";"))


@kernel()
def _count(data, offsets, symbols, pairs, ranks, intact=False):
    """Counts of texts, and which are plain: ASCII without controls and HTML, or anything if they are known `intact`."""
    rows = len(offsets) - 1
    counts = np.full(rows, 2, dtype=np.int32)
    plain = np.ones(rows, dtype=np.bool_)
    hashes = np.zeros(_MEMORY, dtype=np.uint64)
    known = np.zeros(_MEMORY, dtype=np.int32)
    for row in range(rows):
        start, stop = offsets[row], offsets[row + 1]
        if not intact and not _is_plain(data, start, stop):
            plain[row] = False
            continue
        total = 0
        i = start
        while i < stop:
            kind = _KIND[data[i]]
            if kind == _SPACE:
                i += 1
                continue
            if kind == _DIGIT:
                total += 1
                i += 1
                continue
            first = i
            if data[i] == 39:  # an apostrophe
                i += _suffix(data, i, stop)
            if kind == _ASK:
                kind = _kind_of_three(data, i)
            state = SEED
            if i > first:
                for j in range(first, i):
                    state = grow(state, _LOWER[data[j]])
            else:
                while i < stop:
                    now = _KIND[data[i]]
                    if now != kind and now != _REST and (now != _ASK or _kind_of_three(data, i) != kind):
                        break
                    state = grow(state, _LOWER[data[i]])
                    i += 1
            word = finish(state)
            place = word >> np.uint64(64 - 16)
            if hashes[place] != word:
                hashes[place] = word
                known[place] = count_piece(_LOWER[data[first:i]], symbols, pairs, ranks)
            total += known[place]
        counts[row] += total
    return counts, plain


@kernel()
def _is_plain(data, start, stop):
    for i in range(start, stop):
        byte = data[i]
        if byte < 32 or byte > 126:
            return False
        if byte == 38 and i + 1 < stop:  # `&#` or `&` and two letters, perhaps of HTML
            if data[i + 1] == 35:
                return False
            if i + 2 < stop and _WORDLIKE[data[i + 1]] and _WORDLIKE[data[i + 2]]:
                return False
        if byte == 62 and i > start and _LOWER[data[i - 1]] == 116:  # `t>`, perhaps of `<end_of_text>`
            return False
    return True


@kernel()
def _kind_of_three(data, i):
    """A character of three bytes that begins with 0xE3 or 0xEF."""
    return _SIGN if data[i] == 0xEF or data[i + 1] == 0x80 else _LETTER


@kernel()
def _suffix(data, i, stop):
    """Length of `'s`, `'re` and the like at `i`, else 0."""
    if i + 1 >= stop:
        return 0
    first = _LOWER[data[i + 1]]
    if first == 115 or first == 116:  # 's 't
        return 2
    if i + 2 < stop:
        second = _LOWER[data[i + 2]]
        if second == 101 and (first == 114 or first == 118):  # 're 've
            return 3
        if first == 108 and second == 108:  # 'll
            return 3
    return 2 if first == 109 or first == 100 else 0  # 'm 'd
