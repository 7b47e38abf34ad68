"""Laws of the grammar: the quick way equals the plain one, clean is clean for good, nobody's data gets through."""

import re

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prompts.clean import REDACTION, clean_texts, has_personal_data, normalise_texts, redact_texts
from prompts.grammar import LONG_NUMBER, SWEEPS
from prompts.rules import CHARACTERS, DASHES, FRAME, INSIDE, NAMES, PARAMETERS_OFF, TIDY, WEIGHTS
from prompts.sources import SAMPLES
from prompts.traits import Trait, traits_of

EVERY_RULE = (*CHARACTERS, *FRAME, *INSIDE, *DASHES, *NAMES, *PARAMETERS_OFF, *WEIGHTS, *TIDY)

SECRETS = ["<@123456789012345678>", "123456789012345678", "https://s.mj.run/secretpath", "secret.name@example.com"]

_PIECES = st.sampled_from(
    [
        *(
            "a red cube",
            "on",
            "a ball",
            " ",
            "  ",
            "\n",
            "\t",
            ",",
            ";",
            ".",
            ":",
            "|",
            "!",
            "-",
            "_",
            '"',
            "'",
            "~",
            "`",
        ),
        *("**", " - ", "[", "]", "(", ")", "((", "))", "{", "}", "<", ">", "\\", "/", "#", "@", "&", "=", "()"),
        *("--ar 16:9", "-- ar 3 : 2", "—v 5", "–style raw", " -v 4", "--no text, hands", "--no", "--niji", "--s750"),
        *("--test", "--small", "a--b", "--v", "--hd--niji", "::-1", "\\n", "\\", "<b>", "&lt;b&gt;", "<|endoftext|>"),
        *("+49 30 1234567", "(555) 123-4567", "10.0.0.1", "1.2", "fe80::1", "[dot]", "<@U12345>", "<@W", "\x1f"),
        *("- Custom Zoom by", "- Some Job by <@1>", "- Upscaled by <@1> (fast) **", '"**', ", fast", "--sref", "—tile"),
        *("--seed 1", "--hd", "--", "—", "-s50", "--x", "--p abc1", "::2", ":: -.5", ": :", ":1.3)"),
        *(
            "(a ball:1.2)",
            "[a ball]",
            "[a:b:0.5]",
            "{red,blue}",
            "<lora:x:1>",
            "BREAK",
            " BREAK ",
            "Negative prompt: bad",
        ),
        *(
            "Steps: 20, Sampler: Euler a, Seed: 7",
            "(fast)",
            "(Waiting to start)",
            "(31%)",
            "Image #1",
            "Image 4",
            "- Image",
        ),
        *("- Upscaled (Subtle) by", "Variations (Strong) by", "/imagine prompt:", "prompt:", "imagine", "!dream", "by"),
        *(
            "Rerolling **",
            "[1660639012345678]",
            "[12345",
            "<@",
            "<@!42>",
            "&lt;@42&gt;",
            "&amp;",
            "&amp;lt;",
            "&#64;",
            "＆lt;@1＆gt;",
        ),
        *(
            "@somebody",
            "name#1234",
            "#1234",
            "1234567",
            "12345678",
            "<:smile:1>",
            "<#7>",
            "(at)",
            "[at]",
            "[w](https://x)",
            "ww.a.b",
            "[B]REAK",
        ),
        *(
            "https://",
            "http : / / a.b",
            "s.mj.run/x",
            "www",
            "www.",
            "www . a",
            ".com",
            "example",
            "mailto:",
            "a.b@c.de",
        ),
        *(
            "\u200b",
            "\x1b[0m",
            "\u200d",
            "\x07",
            "\u202e",
            "\u2028",
            "\xa0",
            "\u1680",
            "\x85",
            "\u3000",
            "\ufffd",
            "\ufe0f",
            "\u0301",
        ),
        *(
            "＠",
            "：",
            "ｗｗｗ．",
            "é",
            "ß",
            "ſ",
            "K",
            "İ",
            "H\u0331",
            "球",
            "١٢٣٤٥٦٧٨",
            "🧑‍🚀",
            "❤️",
            "3️⃣",
            "“",
            "”",
            "’",
            "…",
        ),
    ]
)
MESSY = st.one_of(st.lists(_PIECES, max_size=16).map("".join), st.text(max_size=60))
COLUMNS = st.lists(st.one_of(MESSY, MESSY, MESSY, st.none()), min_size=1, max_size=24).map(
    lambda rows: pl.Series(rows, dtype=pl.String)
)


def plain(texts: pl.Series) -> pl.Series:
    """The definition: every rule on every text, until nothing changes."""
    unsettled = pl.Series([], dtype=pl.Boolean)
    for _ in range(SWEEPS):
        before, texts = texts, texts.str.normalize("NFKC")
        for rule in EVERY_RULE:
            texts = texts.str.replace_all(rule.pattern, rule.replacement)
        unsettled = before.ne_missing(texts)
    return texts.zip_with(~unsettled, plain_key(texts.str.normalize("NFKC").str.replace_all(LONG_NUMBER, " ")))


def plain_key(texts: pl.Series) -> pl.Series:
    invisible = r"[\p{Cf}\p{Me}\p{Default_Ignorable_Code_Point}]"
    return (
        texts.str.replace_all(invisible, "")
        .str.normalize("NFKC")
        .str.to_lowercase()
        .str.replace_many(["ß", "ς"], ["ss", "σ"])
        .str.normalize("NFKC")
        .str.replace_all(invisible, "")
        .str.replace_all(r"^\p{M}+|(?:[^\p{L}\p{M}\p{N}\x{1F000}-\x{1FAFF}\x{2600}-\x{27BF}]+\p{M}*)+", " ")
        .str.replace_all(r"\b(\d+) k\b", "${1}k")
        .str.strip_chars(" ")
    )


@settings(max_examples=40, deadline=None)
@given(COLUMNS)
def test_the_quick_way_is_the_plain_way(texts):
    assert clean_texts(texts)["text"].to_list() == plain(texts).to_list()
    assert normalise_texts(texts).to_list() == plain_key(texts).to_list()


@settings(max_examples=40, deadline=None)
@given(COLUMNS)
def test_a_text_without_the_traits_of_a_rule_does_not_match_it(texts):
    """Also of single bytes and odd neighbours, which whole sweeps might hide."""
    folded = texts.drop_nulls().str.normalize("NFKC")
    traits = traits_of(folded)
    for rule in EVERY_RULE:
        unmatched = folded.filter(pl.Series((traits & rule.needs) == 0, dtype=pl.Boolean))
        changed = unmatched.filter(unmatched.str.replace_all(rule.pattern, rule.replacement) != unmatched)
        assert changed.is_empty(), (rule, changed.to_list(), Trait(int(traits_of(changed)[0])))


def test_samples_are_cleaned_alike_both_ways():
    import json

    lines = (SAMPLES / "midjourney.jsonl").read_text(encoding="utf-8").splitlines()
    found = [re.search(r'"content": "(.*?)"(?:, "width|\})', line) for line in lines]
    texts = pl.Series([match[1] for match in found if match])
    texts.extend(pl.Series((SAMPLES / "solids.txt").read_text(encoding="utf-8").splitlines()))
    rows = json.loads((SAMPLES / "languages.json").read_text(encoding="utf-8"))
    texts.extend(pl.Series([row["prompt"] for row in rows]))
    cleaned = clean_texts(texts)["text"]
    assert len(cleaned) > 1800
    assert cleaned.to_list() == plain(texts).to_list()
    assert normalise_texts(cleaned).to_list() == plain_key(cleaned).to_list()


@settings(max_examples=40, deadline=None)
@given(COLUMNS)
def test_cleaning_what_is_clean_changes_nothing(texts):
    once = clean_texts(texts)
    twice = clean_texts(once["text"])
    assert twice["text"].to_list() == once["text"].to_list()
    assert not any(twice["flags"].to_list())
    assert twice["parameters"].null_count() == len(texts)


@settings(max_examples=60, deadline=None)
@given(COLUMNS)
def test_the_key_of_a_key_is_the_key(texts):
    keys = normalise_texts(texts)
    assert normalise_texts(keys).to_list() == keys.to_list()
    assert not keys.str.contains(r"[\p{Cf}\s&&[^ ]]|  |^ | $|[\p{P}\p{S}--\x{1F000}-\x{1FAFF}\x{2600}-\x{27BF}]").any()


@settings(max_examples=60, deadline=None)
@given(st.lists(_PIECES, max_size=8), st.sampled_from(SECRETS), st.lists(_PIECES, max_size=8), st.booleans())
def test_planted_secrets_survive_nowhere(before, secret, after, listed):
    raw = "".join([*before, " --no " if listed else " ", secret, " ", *after])
    row = clean_texts(pl.Series([raw])).row(0, named=True)
    for left in (row["text"], (row["parameters"] or {}).get("negative") or ""):
        assert not re.search(r"secret|s\.mj\.run/|123456789012345678|@example", left), left
        assert not pl.select(has_personal_data(pl.lit(left))).item()
    assert "123456789012345678" not in str(row["parameters"])


@settings(max_examples=40, deadline=None)
@given(COLUMNS)
def test_redaction_and_its_check_skip_no_row(texts):
    expected = texts
    for rule in REDACTION:
        expected = expected.str.replace_all(rule.pattern, rule.replacement)
    assert redact_texts(texts).to_list() == expected.to_list()
    found = pl.DataFrame({"text": texts}).select(has_personal_data(pl.col("text")))["text"]
    patterns = [rule.pattern for rule in REDACTION]
    assert found.to_list() == [
        text is not None and any(pl.Series([text]).str.contains(p)[0] for p in patterns) for text in texts
    ]


@pytest.mark.parametrize(
    "text",
    [
        "(" * 100_000 + "a cube" + ":1.1)" * 100_000,
        "[" * 200_000 + "]" * 200_000,
        "&amp;" * 100_000 + "lt;",
        "--no " * 200_000,
        "negative prompt: " * 60_000,
        "<" * 500_000 + "@1" + ">" * 500_000,
        "1" * 1_000_000,
        "a.b@" * 250_000,
        "**" * 500_000,
        " - " * 300_000,
        "::" * 500_000,
        "a\u200d" * 250_000,
        "— ar 1" * 150_000,
        "🧑‍🚀" * 90_000,
        "\u202e" * 300_000,
        ", " * 500_000,
    ],
    ids=lambda text: text[:12].encode("unicode_escape").decode(),
)
def test_a_megabyte_of_anything_is_cleaned(text):
    frame = clean_texts(pl.Series(["a cube", text]))
    assert frame["text"][0] == "a cube"
    assert clean_texts(frame["text"].slice(1))["text"][0] == frame["text"][1]
    assert len(normalise_texts(frame["text"])) == 2


def test_what_never_settles_keeps_its_words_and_says_so():
    row = clean_texts(pl.Series(["(" * 20 + "A red cube" + ":1.1) soft " * 20])).row(0, named=True)
    assert "tangled" in row["flags"]
    assert row["text"].startswith("a red cube")


def test_columns_of_nothing():
    for rows in ([], [None], [""], [None, ""], ["!", "\u200d"]):
        frame = clean_texts(pl.Series(rows, dtype=pl.String))
        assert frame["parameters"].to_list() == [None] * len(rows)
        assert [text is None for text in frame["text"]] == [text is None for text in rows]
        assert [key or "" for key in normalise_texts(frame["text"])] == [""] * len(rows)


def test_the_callers_column_stays_as_it_is():
    texts = pl.Series(["**a cube** - <@42> (fast)", "ａ cube", None])
    before = texts.to_list()
    clean_texts(texts), redact_texts(texts), normalise_texts(texts)
    assert texts.to_list() == before


def test_slices_of_a_column_are_cleaned_like_a_column():
    texts = pl.Series(["skipped", "**a cube** - <@42> (fast)", "a ball --v 5", "skipped"]).slice(1, 2)
    assert clean_texts(texts)["text"].to_list() == ["a cube", "a ball"]
    assert normalise_texts(texts).to_list() == ["a cube 42 fast", "a ball v 5"]
