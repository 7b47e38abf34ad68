"""A guess at the language of a short text: its script, then function words and telling letters; `und` when unsure.

Prompts are mostly lists of nouns, where statistical detectors are confidently wrong. This one would rather not say.
"""

import polars as pl

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


def guess_languages(keys: pl.Series) -> pl.Series:
    """ISO 639-1 codes of normalised texts, or `und`."""
    letters = keys.str.count_matches(r"\p{L}")
    frame = pl.DataFrame({"key": keys, "letters": letters})
    by_script = pl.coalesce(
        pl.when(pl.col("key").str.count_matches(pattern) > pl.col("letters") * _LEAST_SHARE.get(code, 1 / 3)).then(
            pl.lit(code)
        )
        for code, pattern in _SCRIPTS.items()
    )
    latin = pl.col("key").str.contains(r"^[\p{Latin}\p{N}\p{M}\s]+$")
    frame = frame.with_columns(script=pl.when(~latin).then(by_script), padded=_padded(), latin=latin)
    scores = [(_hits(words) + _accents(code)).cast(pl.Int32).alias(code) for code, words in _WORDS.items()]
    frame = frame.select("script", "latin", *scores)
    codes = list(_WORDS)
    best = pl.max_horizontal(codes)
    ties = pl.sum_horizontal((pl.col(code) == best).cast(pl.Int32) for code in codes)
    winner = pl.coalesce(pl.when(pl.col(code) == best).then(pl.lit(code)) for code in codes)
    # One word is enough for English, which most prompts are; any other language must show twice.
    sure = (best > 1) | ((best == 1) & (pl.col("en") == 1))
    by_words = pl.when(pl.col("latin") & sure & (ties == 1)).then(winner)
    return frame.select(pl.coalesce("script", by_words, pl.lit(UNDETERMINED)).alias("language"))["language"]


def _padded() -> pl.Expr:
    """Every word between two spaces of its own, so that neighbours can both be matched without `\\b`."""
    return pl.concat_str(pl.lit(" "), pl.col("key").str.replace_all(" ", "  ", literal=True), pl.lit(" "))


def _hits(words: str) -> pl.Expr:
    return pl.col("padded").str.count_matches("(?: " + " | ".join(words.split()) + " )")


def _accents(code: str) -> pl.Expr:
    """Letters that hardly another of these languages has, worth one word: names have them too."""
    return pl.col("key").str.contains(_LETTERS[code]).cast(pl.Int32) if code in _LETTERS else pl.lit(0)
