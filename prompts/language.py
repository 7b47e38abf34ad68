"""A guess at the language of a short text: its script, then function words and telling letters; `und` when unsure.

Prompts are mostly lists of nouns, where statistical detectors are confidently wrong. This one would rather not say.
"""

from functools import cache

import numpy as np
import polars as pl

from prompts.kernels import kernel
from prompts.normalise import hash_bytes
from prompts.strings import strings_of

UNDETERMINED = "und"

_SCRIPTS = {
    # The first that holds a third of the letters. Kana before Han: Japanese uses both.
    "ja": r"[\p{Hiragana}\p{Katakana}]",
    "zh": r"\p{Han}",
    "ko": r"\p{Hangul}",
    "uk": r"[іїєґ]",
    "ru": r"\p{Cyrillic}",
    "fa": r"[پچژگ]",
    "ar": r"\p{Arabic}",
    "he": r"\p{Hebrew}",
    "el": r"\p{Greek}",
    "th": r"\p{Thai}",
    "hi": r"\p{Devanagari}",
}
_LEAST_SHARE = {"ja": 0.1, "uk": 0.04, "fa": 0.02}
"""Of the letters; for marks that tell a language within a script shared with others. Otherwise a third."""

_WORDS = {
    "en": "a an the of with and on in by at from for to is are its his her as into made under over through against "
    "near behind while wearing holding sitting standing riding style red blue green yellow black white grey gray brown "
    "purple orange pink golden dark light bright beautiful cute detailed highly portrait painting photo "
    "illustration shaped cube sphere ball house tree water",
    "de": "ein eine einen einem einer der die das den dem des und mit auf von im ist aus bei zur zum unter über neben "
    "rot roter rote blau blauer blaue grün grüner grüne gelb gelber gelbe schwarz schwarze weiss weisse",
    "fr": "un une le la les des du de et avec sur dans au aux en est pour par sous qui rouge bleu bleue vert verte "
    "jaune noir noire",
    "es": "un una el la los las del de y con en sobre por para al es su bajo rojo roja azul verde amarillo amarilla "
    "negro negra blanco blanca",
    "it": "un uno una il lo la i gli le di del della e con su sul sulla in nel nella per che rosso rossa blu verde "
    "giallo gialla nero nera bianco bianca",
    "pt": "um uma o os as de do da dos das e com em no na sobre por para vermelho vermelha azul verde amarelo amarela "
    "preto preta branco branca",
    "nl": "een het de van en met op aan uit voor is onder naast rode blauwe groene gele zwarte witte",
    "pl": "i w z na do od ze nad pod przy jest oraz czerwony czerwona czerwone niebieski niebieska niebieskim zielony "
    "zielona żółty żółta",
    "tr": "bir ve ile için üzerinde altında olan kırmızı mavi yeşil sarı siyah beyaz",
}
_LETTERS = {"de": "[äöü]", "fr": "[çèêœàù]", "es": "[ñ¿¡]", "pt": "[ãõ]", "pl": "[łąęśżźćń]", "tr": "[ğşı]"}


_CODES = list(_WORDS)
_LONGEST = max(len(word.encode()) for words in _WORDS.values() for word in words.split())
_GUESSES = [*_CODES, UNDETERMINED]


def guess_languages(keys: pl.Series) -> pl.Series:
    """ISO 639-1 codes of normalised texts, or `und`."""
    strings = strings_of(keys)
    scores, latin, ascii_only = _score(strings.data, strings.offsets, *_table(), len(_CODES))
    others = np.flatnonzero(~ascii_only)
    foreign = keys.gather(others)
    if len(others):
        latin[others] = foreign.str.contains(r"^[\p{Latin}\p{N}\p{M}\s]+$").fill_null(False).to_numpy()
        for code, letters in _LETTERS.items():
            # Letters that hardly another of these languages has, worth one word: names have them too.
            scores[others, _CODES.index(code)] += foreign.str.contains(letters).fill_null(False).to_numpy()
    best = scores.max(axis=1)
    ties = (scores == best[:, None]).sum(axis=1)
    # One word is enough for English, which most prompts are; any other language must show twice.
    sure = (best > 1) | ((best == 1) & (scores[:, _CODES.index("en")] == 1))
    winner = np.where(latin & sure & (ties == 1), scores.argmax(axis=1), len(_CODES))
    guesses = pl.Series("language", _GUESSES).gather(winner)
    scripted = np.flatnonzero(~latin & ~ascii_only)
    if len(scripted):
        guesses.scatter(scripted, _by_script(keys.gather(scripted)))
    return guesses


def _by_script(keys: pl.Series) -> pl.Series:
    frame = pl.DataFrame({"key": keys, "letters": keys.str.count_matches(r"\p{L}")})
    codes = (
        pl.when(pl.col("key").str.count_matches(pattern) > pl.col("letters") * _LEAST_SHARE.get(code, 1 / 3)).then(
            pl.lit(code)
        )
        for code, pattern in _SCRIPTS.items()
    )
    return frame.select(pl.coalesce(*codes, pl.lit(UNDETERMINED))).to_series()


@cache
def _table() -> tuple[np.ndarray, np.ndarray]:
    """Open addressing: hashes of words (0 is free), and in which languages each is a function word, a bit each."""
    languages: dict[bytes, int] = {}
    for index, words in enumerate(_WORDS.values()):
        for word in words.encode().split():
            languages[word] = languages.get(word, 0) | 1 << index
    hashes, bits = np.zeros(2048, np.uint64), np.zeros(2048, np.uint16)
    for word, of in languages.items():
        value = hash_bytes(np.frombuffer(word, np.uint8), 0, len(word))
        slot = int(value) % 2048
        while hashes[slot]:
            slot = (slot + 1) % 2048
        hashes[slot], bits[slot] = value, of
    return hashes, bits


@kernel()
def _score(data, offsets, hashes, bits, languages):  # pragma: no cover - compiled
    """Per row: function words of each language, and for rows of ASCII whether they are letters, digits and spaces."""
    rows = len(offsets) - 1
    scores = np.zeros((rows, languages), np.int32)
    latin = np.zeros(rows, np.bool_)
    ascii_only = np.ones(rows, np.bool_)
    for row in range(rows):
        start, end = offsets[row], offsets[row + 1]
        plain = start < end
        word = start
        for i in range(start, end + 1):
            byte = data[i] if i < end else np.uint8(32)
            if byte >= 0x80:
                ascii_only[row] = False
            elif byte == 32:
                if 0 < i - word <= _LONGEST:
                    value = hash_bytes(data, word, i)
                    slot = value % np.uint64(len(hashes))
                    while hashes[slot] != 0:
                        if hashes[slot] == value:
                            for language in range(languages):
                                scores[row, language] += (bits[slot] >> language) & 1
                            break
                        slot = (slot + np.uint64(1)) % np.uint64(len(hashes))
                word = i + 1
            else:
                plain &= 97 <= (byte | 32) <= 122 or 48 <= byte <= 57 or 9 <= byte <= 13
        latin[row] = plain
    return scores, latin, ascii_only
