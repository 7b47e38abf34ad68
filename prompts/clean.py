"""From what platforms export to what people wrote: unwrap, redact, drop parameters, tidy; and the key for duplicates.

All rules are linear-time regular expressions (Rust's `regex`, through Polars) over whole columns. Their order matters
and is tested: a wrapper is recognised by the mention in its tail, so it goes before mentions do; `/imagine prompt:` is
looked for only after the `**` and the links in front of it are gone; parameters go after links, which may be values.
"""

from hashlib import blake2b
from typing import NamedTuple

import polars as pl

RULES = 1
"""Revision of everything that decides what a corpus contains; part of its version. Raise it with every such change."""


class Rule(NamedTuple):
    """Replace every match of `pattern`; the row is flagged with `flag` when that changes it."""

    flag: str | None
    pattern: str
    replacement: str = " "


_MENTION = r"(?:<@[!&]?\d*>?|@[\w.]+(?:\s?#\d{4})?)"
_STATUS = r"(?:\s*\([^()]{0,60}\))*"
_JOB = r"(?:upscaled|variations?|remix(?:ed)?|image\s*#\s*\d+|zoom|pan|make|vary|redo|inpaint|outpaint)"
_DASH = "[-\u2010\u2011\u2012\u2013\u2014\u2015\u2212]"
_SMART_DASH = "[\u2010\u2012\u2013\u2014\u2015\u2212]"
_NUMBER = r"(?:\d+(?:\.\d+)?|\.\d+)"
_VALUE = rf"{_NUMBER}(?:\s?[:/x]\s?{_NUMBER})?"
_NUMERIC = r"(?:aspect|ar|version|v|quality|q|stylize|s|chaos|c|seed|sameseed|stop|iw|cw|sw|ow|weird|w|h|niji|repeat)"
_FLAG = r"(?:hd|tile|testp|test|creative|upbeta|uplight|upanime|video|fast|relax|turbo|stealth|public|raw|loop|draft)"
_WORDY = r"(?:style|sref|cref|oref|iref|sv|profile|personalize|p)"
_HOSTS = r"com|net|org|io|run|gg|me|co|ai|app|dev|tv|ly|ru|de|uk|fr|jp|cn|info|xyz"

_LINKS = (
    # Also when tokenised apart: `http : / / a.b`.
    Rule("link", r"(?i)<?(?:https?|ftp)\s*:\s*/\s*/\s*[^\s<>*]*>?"),
    Rule("link", r"(?i)<?www\.[^\s<>*]+>?"),
    Rule("link", rf"(?i)<?\bwww\s*\.\s*[^\s<>*]+(?:\s(?:{_HOSTS})\b)?>?"),
)
_EMAIL = Rule("email", r"(?i)(?:mailto:\s*)?[\w.+%-]+\s?@\s?[\w-]+(?:\.[\w-]+)*\.\p{L}{2,}")
_BARE_LINKS = Rule("link", rf"(?i)<?\b(?:[a-z0-9-]+\.)+(?:{_HOSTS})\b(?:/[^\s<>*]*)?>?")
_MENTIONS = (
    Rule("mention", r"<(?:@[!&]?|#)\s?\d*\s?>?"),
    Rule("mention", r"<a?:\w+:\d*>"),
    Rule("mention", r"@[\w.]+(?:\s?#\d{4})?"),
    Rule("mention", r"\b\w{2,32}#\d{4}\b"),
    # A user or message id whose brackets were lost.
    Rule("mention", r"\d{16,20}"),
)

REDACTION = (*_LINKS, _EMAIL, _BARE_LINKS, *_MENTIONS)
"""What must not stay of anybody: links, e-mail addresses, mentions and ids."""

GRAMMAR = (
    # Escapes of HTML first: `&lt;@1&gt;` is a mention.
    Rule(None, r"&(?:amp;)+", "&"),
    Rule(None, r"&lt;", "<"),
    Rule(None, r"&gt;", ">"),
    Rule(None, r"&quot;", '"'),
    Rule(None, r"&(?:#0?39|apos);", "'"),
    Rule("control", r"[\p{Cc}--\t\n\r]|[\u{FFFD}\p{Co}]|\p{Zl}|\p{Zp}"),
    Rule("control", r"\p{Cf}", ""),
    # The platform's frame: task number, then the tail `** - Upscaled (Beta) by <@id> (fast)`, then the bold marks.
    Rule("wrapper", r"^\W*\[\d{5,}[^\]]{0,40}\]"),
    Rule("wrapper", rf"(?i)\*{{0,2}}\s*{_DASH}\s*(?:{_JOB}\b[^<>@*]{{0,80}})?{_MENTION}{_STATUS}\s*$"),
    Rule("wrapper", rf"(?i)\*{{0,2}}\s+{_DASH}\s*(?:image\s*#\s*\d+|{_JOB}{_STATUS}\s*by){_STATUS}\s*$"),
    Rule("wrapper", r"(?i)\*\*\s*(?:\((?:fast|relax|turbo|waiting|paused|stopped|\d+%)[^()]{0,60}\)\s*)+$"),
    Rule("wrapper", r"\*\*+"),
    *REDACTION,
    Rule("wrapper", r"(?i)/imagine\b(?:\s*prompt\b)?\s*:?|^\W*(?:imagine\s+)?prompt\s*:"),
    # Parameters. Telephones turn `--` into one long dash.
    Rule(
        "parameters",
        rf"(?i)(^|[^\p{{L}}]){_SMART_DASH}{_DASH}?(\s?{_NUMERIC}\s?{_NUMBER}|{_FLAG}\b|{_WORDY}\s|no\s)",
        "${1}--${2}",
    ),
    Rule("parameters", r"(?i)--\s?no\s(?:[^-]|-[^-])*"),
    Rule("parameters", rf"(?i)--\s?{_FLAG}\b"),
    Rule("parameters", rf"(?i)--\s?{_WORDY}\b(?:\s+(?:\d+|random|raw|[a-z]*\d\w*|cute|expressive|scenic|original))*"),
    Rule("parameters", rf"(?i)--\s?{_NUMERIC}\s*=?\s*{_VALUE}"),
    Rule("parameters", rf"(?i)--[a-z]+(?:\s*=?\s*{_VALUE})?"),
    Rule("parameters", rf"(?i)(?:^|\s)-(?:ar|aspect|v|q|s|c|iw|seed)\s+{_VALUE}\b"),
    # Weights: `a cube::2 a ball::-.5`, `(a cube:1.3)`, `<lora:name:0.8>`.
    Rule("weights", r"\s*:\s?:\s*-?(?:\d+(?:\.\d+)?|\.\d+)?", ", "),
    Rule("weights", r"<(?:lora|hypernet|lyco):[^<>]*>"),
    Rule("weights", r"\(([^():]+):\s?\d+(?:\.\d+)?\)", "${1}"),
)
TIDY = (
    Rule(None, r"\(\s*\)|\[\s*\]|\{\s*\}"),
    Rule(None, r"\s+"),
    Rule(None, r" ([,;.!?])", "${1}"),
    Rule(None, r"(?:[,;]\s*){2,}", ", "),
    Rule(None, r"^[\s,;:|*_~`-]+|[\s,;:|*_~`-]+$", ""),
    Rule(None, r'^"([^"]*)"$', "${1}"),
    Rule(None, r"^\s+|\s+$", ""),
)


def clean_texts(texts: pl.Series) -> pl.DataFrame:
    """Clean a column.

    Returns:
        `text` (null stays null) and `flags`, the sorted names of what was taken out: control, email, link, mention,
        parameters, weights, wrapper.
    """
    names = sorted({rule.flag for rule in GRAMMAR if rule.flag})
    changed = {name: pl.repeat(False, len(texts), eager=True) for name in names}
    text = texts.str.normalize("NFKC")
    for rule in GRAMMAR:
        before, text = text, text.str.replace_all(rule.pattern, rule.replacement)
        if rule.flag:
            changed[rule.flag] = changed[rule.flag] | before.ne_missing(text)
    for rule in TIDY:
        text = text.str.replace_all(rule.pattern, rule.replacement)
    flags = pl.concat_list(pl.when(pl.col(name)).then(pl.lit(name)) for name in names).list.drop_nulls()
    return pl.DataFrame(changed).select(text.alias("text"), flags.alias("flags"))


def tidy_texts(texts: pl.Series) -> pl.Series:
    """Only compatibility forms, control characters and spacing: for prompts that are to stay as they were published."""
    return (
        texts.str.normalize("NFKC")
        .str.replace_all(r"[\p{Cc}\s]+", " ")
        .str.replace_all(r"\p{Cf}", "")
        .str.strip_chars()
    )


def redact_texts(texts: pl.Series) -> pl.Series:
    """A column without links, addresses, mentions and ids, else as it was: for rows that are refused, but kept."""
    for rule in REDACTION:
        texts = texts.str.replace_all(rule.pattern, rule.replacement)
    return texts


def has_personal_data(text: pl.Expr) -> pl.Expr:
    """Whether a redaction rule still finds something; asked once more of every row that would enter the corpus."""
    return pl.any_horizontal(text.str.contains(rule.pattern) for rule in REDACTION)


def normalise_texts(texts: pl.Series) -> pl.Series:
    """The key by which prompts are equal: compatibility forms, case, punctuation and spacing do not count.

    Diacritics count (they part words in many languages), and so does every digit and the order of words.
    """
    return (
        texts.str.normalize("NFKC")
        .str.to_lowercase()
        .str.replace_many(["ß", "ς"], ["ss", "σ"])
        .str.replace_all(r"\p{Cf}", "")
        .str.replace_all(r"[^\p{L}\p{M}\p{N}]+", " ")
        # As some tokenisers write them.
        .str.replace_all(r"\b(\d+) k\b", "${1}k")
        .str.strip_chars(" ")
    )


def word_sets(keys: pl.Series) -> pl.Series:
    """Normalised text as its sorted distinct words, without English articles: the key of "same words, other order"."""
    words = keys.str.split(" ").list.set_difference(pl.Series([["a", "an", "the"]]))
    return words.list.sort().list.join(" ")


def clean(text: str) -> str:
    """`clean_texts` for one string."""
    return clean_texts(pl.Series([text]))["text"][0]


def normalise(text: str) -> str:
    """`normalise_texts` for one string."""
    return normalise_texts(pl.Series([text]))[0]


def prompt_id(normalised: str) -> str:
    """16 hex digits that name a prompt: a hash of its normalised text."""
    return blake2b(normalised.encode(), digest_size=8).hexdigest()
