"""What people have set beside their prompt: aspect, version, seed, weights and what is not to be seen."""

import polars as pl

from prompts.rules import LISTED, MARK, NEGATIVE, NUMBER, SETTINGS, UNWANTED_PARTS, WEIGHTED_PART, WEIGHTED_WORDS

PARAMETERS = pl.Struct(
    {
        "aspect": pl.String,
        "version": pl.String,
        "seed": pl.Int64,
        "stylize": pl.Float32,
        "style": pl.String,
        "negative": pl.String,
        "weights": pl.List(pl.Float32),
    }
)
"""The `parameters` of a row. Of a parameter that is given twice, the last counts, as it does on the platforms.

* `aspect`: "16:9", of `--ar 16:9`, `--aspect 16/9`, `Size: 512x768`; as it was written, not reduced.
* `version`: "5.2", of `--v 5.2`; "niji 6" or "niji", of `--niji 6`.
* `seed`, `stylize` and `style` ("raw"): of `--seed`, `--s` and `--style`; `Seed: 1`.
* `negative`: what must not be seen, of `--no`, `Negative prompt:` or `a ball::-.5`; cleaned like a prompt.
* `weights`: in the order of the text, of `a::2 b::-.5` (1 where there is no number) and `(a:1.3)`.
"""

_RATIO = rf"{NUMBER}\s?[:/x]\s?{NUMBER}"
_STYLES = "raw|cute|expressive|scenic|original|4[abc]"
_SEED = "[0-9]{1,15}"


def read_parameters(texts: pl.Series) -> pl.DataFrame:
    """The fields of `PARAMETERS` without `weights`; `negative` as it was written.

    Args:
        texts: whose parameters begin with `MARK` each, or that end as web interfaces print their settings.
    """
    # Short, so that what is looked for is looked for in little.
    frame = pl.DataFrame({"text": texts}).select(
        "text",
        pl.concat_str(pl.lit(MARK), pl.col("text").str.splitn(MARK, 2).struct.field("field_1")).alias("tail"),
        pl.when(pl.col("text").str.contains(r"(?i)steps\s*:"))
        .then(pl.col("text").str.extract(f"({SETTINGS})"))
        .alias("settings"),
    )
    niji = _option("", rf"niji(?:\s*=?\s*{NUMBER})?").str.replace(r"(?i)^niji[\s=]*", "niji ").str.strip_chars(" ")
    negative = pl.col("tail").str.extract_all(LISTED).list.eval(pl.element().str.slice(len(f"{MARK}no ")))
    return frame.select(
        aspect=pl.coalesce(_option("ar|aspect", _RATIO), _setting("size", _RATIO))
        .str.replace_all(r"\s", "")
        .str.replace("[/x]", ":"),
        version=pl.coalesce(niji, _option("version|v", NUMBER)),
        seed=pl.coalesce(_option("seed|sameseed", _SEED), _setting("seed", _SEED)).cast(pl.Int64),
        stylize=_option("stylize|s", NUMBER).cast(pl.Float32),
        style=_option("style", _STYLES).str.to_lowercase(),
        negative=pl.when(negative.list.len() > 0).then(negative.list.join(", ")).otherwise(_block(NEGATIVE)),
    )


def read_weights(texts: pl.Series) -> pl.DataFrame:
    """`weights` of `PARAMETERS`, and `negative`, the parts that weigh less than nothing; null where there are none."""
    written = texts.str.extract_all(f"(?:{WEIGHTED_PART}|{WEIGHTED_WORDS})")
    number = pl.element().str.extract(rf"(-?{NUMBER})\s?\)?$").cast(pl.Float32).fill_null(1.0)
    weights = written.list.eval(number)
    return pl.select(weights=pl.when(weights.list.len() > 0).then(weights), negative=_unwanted(texts))


def _unwanted(texts: pl.Series) -> pl.Series:
    rows = texts.str.contains(r":\s*-").arg_true()
    runs = texts.gather(rows).str.extract_all(UNWANTED_PARTS).list.eval(pl.element().str.extract(UNWANTED_PARTS, 2))
    parts = runs.list.join(" ").str.replace_all(WEIGHTED_PART, ", ").replace("", None)
    return pl.repeat(None, len(texts), dtype=pl.String, eager=True).scatter(rows, parts)


def _option(names: str, value: str) -> pl.Expr:
    """What the last of `--name value` says."""
    return pl.col("tail").str.extract(rf"(?is)^.*{MARK}(?:{names})\s*=?\s*({value})")


def _setting(name: str, value: str) -> pl.Expr:
    return pl.col("settings").str.extract(rf"(?i)\b{name}\s*:\s*({value})")


def _block(pattern: str) -> pl.Expr:
    return pl.when(pl.col("text").str.contains(":", literal=True)).then(
        pl.col("text").str.extract(pattern).str.replace_all(MARK, "--", literal=True)
    )
