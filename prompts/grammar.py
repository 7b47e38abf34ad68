"""From what platforms export to what people wrote: unwrap, redact, take parameters off, tidy."""

from collections.abc import Callable, Sequence

import numpy as np
import polars as pl

from prompts.normalise import normalise_texts
from prompts.parameters import PARAMETERS, read_parameters, read_weights
from prompts.rules import CHARACTERS, DASHES, FRAME, INSIDE, NAMES, PARAMETERS_OFF, REDACTION, TIDY, WEIGHTS, Rule
from prompts.strings import series_of, strings_of
from prompts.traits import Trait, traits_of

SWEEPS = 6
"""How often the rules may find something new in what they have left."""

FLAGS = (
    "address",
    "control",
    "email",
    "link",
    "markup",
    "mention",
    "parameters",
    "phone",
    "tangled",
    "weights",
    "wrapper",
)
"""`address`: of a machine; `tangled`: the rules went on finding something; only the words of such a text are left."""

LONG_NUMBER = r"\d{16,}"

_BITS = {name: 1 << index for index, name in enumerate(FLAGS)}
_SETS = [[name for name in FLAGS if bits & _BITS[name]] for bits in range(1 << len(FLAGS))]
_GRAMMAR = (*CHARACTERS, *FRAME, *INSIDE, *DASHES, *NAMES, *PARAMETERS_OFF, *WEIGHTS, *TIDY)
_ANY = np.bitwise_or.reduce([np.uint32(rule.needs) for rule in _GRAMMAR])


def clean_texts(texts: pl.Series) -> pl.DataFrame:
    """Clean a column. Cleaning what is clean changes nothing.

    Returns:
        `text` (null stays null), `flags`, the sorted names of what was taken out (of `FLAGS`), and `parameters`, a
        struct of `PARAMETERS`, null where a row has none.
    """
    work = _Work(texts.fill_null(""))
    work.clean()
    # Written anew: what the rules made on the way is let go.
    text = series_of(strings_of(work.text))
    return pl.DataFrame({"text": text, "flags": pl.Series(_SETS).gather(work.flags)}).select(
        pl.when(texts.is_not_null()).then("text").alias("text"), "flags", parameters=work.parameters()
    )


def redact_texts(texts: pl.Series) -> pl.Series:
    """A column without what is `REDACTION`'s, else as it was: for rows that are refused, but kept."""
    sheet = _Sheet(texts, _traits_of_raw(texts))
    sheet.apply(REDACTION)
    return sheet.text


def has_personal_data(text: pl.Expr) -> pl.Expr:
    """Whether a redaction rule still finds something; asked once more of every row that would enter the corpus."""
    return text.map_batches(_has_personal_data, return_dtype=pl.Boolean)


def tidy_texts(texts: pl.Series) -> pl.Series:
    """Only compatibility forms, control characters and spacing: for prompts that are to stay as they were published."""
    return (
        texts.str.normalize("NFKC")
        .str.replace_all(r"[\p{Cc}\s\x{200B}]+", " ")
        .str.replace_all(r"\p{Cf}", "")
        .str.strip_chars()
    )


def _has_personal_data(texts: pl.Series) -> pl.Series:
    traits = _traits_of_raw(texts)
    found = np.zeros(len(texts), np.bool_)
    for rule in REDACTION:
        rows = np.flatnonzero(traits & rule.needs)
        if len(rows):
            found[rows] |= texts.gather(rows).str.contains(rule.pattern).fill_null(False).to_numpy()
    return pl.Series(texts.name, found)


def _traits_of_raw(texts: pl.Series) -> np.ndarray:
    """Before compatibility forms are folded anything may stand for a letter."""
    traits = traits_of(texts)
    return np.where(traits & Trait.FOREIGN, ~np.uint32(0), traits)


class _Work:
    """A column in the works: its text, the flags so far, and the rows that are not done."""

    def __init__(self, texts: pl.Series):
        self.text = texts.clone()  # `scatter` writes in place
        self.flags = np.zeros(len(texts), np.uint16)
        self._open = np.arange(len(texts))
        self._fields: dict[str, pl.Series] = {}

    def clean(self, read: bool = True) -> None:
        """Sweep until nothing changes. With `read`, parameters are kept, else only taken off."""
        for _ in range(SWEEPS):
            self._sweep(read)
            if not len(self._open):
                return
        words = normalise_texts(self.text.gather(self._open).str.normalize("NFKC").str.replace_all(LONG_NUMBER, " "))
        self.text.scatter(self._open, words)
        self.flags[self._open] |= _BITS["tangled"]

    def parameters(self) -> pl.Series:
        """`PARAMETERS` of every row."""
        rows = len(self.text)
        fields = pl.DataFrame(
            [self._fields.get(field.name, pl.repeat(None, rows, eager=True, dtype=field.dtype)).alias(field.name)
             for field in PARAMETERS.fields]
        )  # fmt: skip
        some = pl.any_horizontal(pl.all().is_not_null())
        return fields.select(pl.when(some).then(pl.struct(pl.all())).cast(PARAMETERS).alias("parameters")).to_series()

    def _sweep(self, read: bool) -> None:
        """Every rule once, on the open rows that it may match; only rows that this changes stay open."""
        texts = self.text.gather(self._open)
        traits = traits_of(texts)
        hit = traits & _ANY != 0
        self._open, before = self._open[hit], texts.filter(hit)
        if not len(self._open):
            return
        sheet = _Sheet(before, traits[hit])
        sheet.fold()
        sheet.look_again()
        sheet.apply(CHARACTERS)
        sheet.look_again()
        sheet.apply(FRAME)
        sheet.look_again()
        sheet.apply(INSIDE)
        sheet.look_again()
        sheet.apply(DASHES)
        sheet.look_again()
        sheet.apply(NAMES)
        sheet.look_again()
        if read:
            self._keep(sheet, Trait.CONTROL | Trait.COLON, read_parameters)
        sheet.apply(PARAMETERS_OFF)
        if read:
            self._keep(sheet, Trait.COLON, read_weights)
        sheet.apply(WEIGHTS)
        sheet.look_again()
        sheet.apply(TIDY)
        self.flags[self._open] |= sheet.flags
        changed = (sheet.text != before).to_numpy()
        self._open = self._open[changed]
        self.text.scatter(self._open, sheet.text.filter(changed))

    def _keep(self, sheet: "_Sheet", needs: Trait, read: Callable[[pl.Series], pl.DataFrame]) -> None:
        """Read the fields of rows with a trait; what has been found before stays, and of `negative` both."""
        rows = np.flatnonzero(sheet.traits & needs)
        if not len(rows):
            return
        place = np.full(len(self.text), -1)
        place[self._open[rows]] = np.arange(len(rows))
        index = pl.Series(place).replace(-1, None)
        for column in read(sheet.text.gather(rows)):
            if column.null_count() == len(column):
                continue
            if column.name == "negative":
                column = _clean_negatives(column)
            found = column.gather(index)
            known = self._fields.get(column.name)
            self._fields[column.name] = found if known is None else _both(known, found)


def _both(known: pl.Series, found: pl.Series) -> pl.Series:
    """What was known where it was; of texts one after the other."""
    if known.name == "negative":
        # Null where one is missing.
        return pl.select(pl.coalesce(pl.concat_str(known, found, separator=", "), known, found)).to_series()
    return known.zip_with(known.is_not_null(), found)


def _clean_negatives(texts: pl.Series) -> pl.Series:
    rows = np.flatnonzero(texts.is_not_null().to_numpy())
    work = _Work(texts.gather(rows))
    work.clean(read=False)
    return texts.clone().scatter(rows, work.text).replace("", None)


class _Sheet:
    """Texts under the rules: which rules may match each, what has been taken out of each."""

    def __init__(self, text: pl.Series, traits: np.ndarray):
        self.text, self.traits = text.clone(), traits
        self.flags = np.zeros(len(text), np.uint16)
        self._stale = np.zeros(len(text), np.bool_)

    def fold(self) -> None:
        """Compatibility forms; all others of a text have been folded already."""
        self._change(Trait.FOREIGN, lambda texts: texts.str.normalize("NFKC"))

    def apply(self, rules: Sequence[Rule]) -> None:
        """One rule after another, each on the texts that it may match.

        What a rule leaves must not bring a trait that a later one of its group needs, unless that one names the trait
        by which the first was found: it puts a space where it took something out.
        """
        for rule in rules:
            rows = self._change(
                rule.needs, lambda texts, rule=rule: texts.str.replace_all(rule.pattern, rule.replacement)
            )
            if rule.flag:
                self.flags[rows] |= _BITS[rule.flag]

    def look_again(self) -> None:
        """Bring the traits of changed texts up to date."""
        rows = np.flatnonzero(self._stale)
        if len(rows):
            self.traits[rows] = traits_of(self.text.gather(rows))
            self._stale[rows] = False

    def _change(self, needs: Trait, change: Callable[[pl.Series], pl.Series]) -> np.ndarray:
        """Returns the rows that `change` has changed."""
        rows = np.flatnonzero(self.traits & needs)
        if not len(rows):
            return rows
        before = self.text.gather(rows)
        after = change(before)
        changed = (before != after).fill_null(False).to_numpy()
        rows = rows[changed]
        if len(rows):
            self.text.scatter(rows, after.filter(changed))
            self._stale[rows] = True
        return rows
