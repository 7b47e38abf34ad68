"""What platforms produce, form by form and in all orders."""

from itertools import permutations

import polars as pl
import pytest

from prompts.clean import clean, clean_texts, redact_texts

ID = "<@123456789012345678>"


@pytest.mark.parametrize(
    "tail",
    [
        f"- {ID} (fast)",
        f"- {ID} (relaxed, stealth)",
        f"- {ID} (turbo)",
        f"- {ID} (Waiting to start)",
        f"- {ID} (31%) (fast)",
        f"- {ID} (93%) (relaxed, stealth)",
        f"- {ID} (paused)",
        f"- {ID}",
        f"- Upscaled by {ID} (fast)",
        f"- Upscaled (Beta) by {ID} (relaxed)",
        f"- Upscaled (Light) by {ID} (fast)",
        f"- Upscaled (Creative) by {ID} (fast)",
        f"- Upscaled (Subtle) by {ID} (fast)",
        f"- Variations by {ID} (fast)",
        f"- Variations (Strong) by {ID} (fast)",
        f"- Variations (Subtle) by {ID} (fast)",
        f"- Variations (Region) by {ID} (fast)",
        f"- Vary (Region) by {ID} (fast)",
        f"- Zoom Out by {ID} (fast)",
        f"- Pan Left by {ID} (fast)",
        f"- Remix by {ID} (fast)",
        f"- Remix (Strong) by {ID} (fast)",
        f"- Remaster by {ID} (Open on website for full quality) (fast)",
        f"- Remastered by {ID} (fast)",
        f"- Custom Zoom by {ID} (fast)",
        f"- Blend by {ID} (fast)",
        f"- Retextured by {ID} (turbo)",
        f"- Animate (High Motion) by {ID} (relaxed)",
        f"- Some New Job (Strong) (Beta) by {ID} (fast) (31%)",
        f"- Upscaled (Creative) by {ID}, fast",
        "- Pan Left by <@U12345> (fast)",
        "- Custom Zoom by",
        "- Remastered by (fast)",
        f"- Image #4 {ID}",
        "- Image #4",
        "- Image 4",
        "- Upscaled (Subtle) by",
        "- Variations (Strong) by (fast)",
        "- @somebody (fast)",
        "(Waiting to start)",
        "(31%) (fast)",
        "(Stopped)",
        "",
    ],
)
@pytest.mark.parametrize("head", ["", "[1660639012345678] ", "<https://s.mj.run/a> "])
def test_every_tail_is_cut(head, tail):
    assert clean(f"{head}**a red cube --v 5** {tail}") == "a red cube"
    assert clean(f'"{head}**a red cube --v 5** {tail}"') == "a red cube"
    assert clean(f"{head}**a red cube** {tail}") == "a red cube"


@pytest.mark.parametrize(
    "raw",
    [
        "a red cube - Image #4",
        "a red cube - Image 4",
        "a red cube Image 4",
        "a red cube Image #4",
        "a red cube (Waiting to start)",
        "a red cube - Upscaled (Subtle) by",
        "a red cube –style raw - Image 4",
        "Making variations for image #1 with prompt **a red cube** - <@42> (fast)",
        "Upscaling image #2 with **a red cube** - <@42> (31%) (fast)",
        "Rerolling **a red cube --v 5** - <@42> (Waiting to start)",
        "- Upscaled by <@1> (fast) **a red cube**",
        "- Image #1 <@U12345> **a red cube** - Custom Zoom by <@1> (fast)",
        '"a red cube --v 4 - Pan Left by <@123> (fast)"',
        "<@U12345> a red cube <@W0G9QF9C6>",
        "<@U12345|somebody> a red cube <#C024BE91L|general>",
        "a red <@UABCDEF cube",
        "[](https://cdn.example/x.png) a red cube",
        '!dream "a red cube" -s50 -W512 -H 512 -C7.5',
        "/imagine a red cube",
        "/imagine prompt a red cube",
        "prompt: a red cube",
        "a red cube::2",
        "((a red cube))",
        "(((a red cube)))",
        "((a red cube:1.3))",
        "(((a red cube:1.1):1.2):1.3)",
        "[a red cube]",
        "[[a red cube]]",
        "[a blue ball:a red cube:0.5]",
        "[a red cube:0.5]",
        "[a red cube::0.5]",
        "[a red cube|a blue ball]",
        "a {red, blue} cube",
        "a {red|blue} cube",
        "a {red} cube",
        "a {red, {dark, light} blue} cube",
        "<lora:solids:0.8> a red cube <lora:other:-1>",
        "a red cube BREAK",
        "a red cube\nNegative prompt: blurry\nSteps: 20, Sampler: Euler a, CFG scale: 7, Seed: 12, Size: 512x768",
        "a red cube Steps: 20, Sampler: Euler a",
        "a red cube, Negative prompt: blurry",
    ],
)
def test_every_form_leaves_the_same_prompt(raw):
    assert clean(raw) == "a red cube"


def test_what_joins_two_prompts_becomes_a_comma():
    for raw in ("a red cube BREAK a blue ball", "a red cube, BREAK a blue ball", "a red cube,\nBREAK\na blue ball"):
        assert clean(raw) == "a red cube, a blue ball"


@pytest.mark.parametrize(
    "text",
    [
        "a car (fast)",
        "a cube - Portrait by Rembrandt",
        "a cube - Upscaled by somebody",
        "a 5 < @ > 3 face",
        "a glass of milk (31%)",
        "a cube (the red one)",
        "PRISON BREAK POSTER",
        "a scene —video game style",
        "a town, population: 12, twinned with a city: Ulm",
        "a model (scale 3:2)",
        "making variations of a cube",
        "first steps: 20 of them",
        "my image 12",
        "ratio 16:9",
        "a -w- face",
    ],
)
def test_plain_text_that_looks_like_it_stays(text):
    assert clean(text) == text


PARTS = ["<https://s.mj.run/x>", "/imagine prompt:", "a red cube", "--ar 16:9", "—seed 7", "--no text, hands"]


def test_parts_in_every_order_leave_the_same():
    rows = []
    for order in permutations(PARTS):
        listed = order.index("--no text, hands")
        # What follows `--no` is not to be seen, up to the next parameter.
        if order[listed + 1 : listed + 2] in ((), ("--ar 16:9",), ("—seed 7",)):
            rows += [" ".join(order), f"**{' '.join(order)}** - {ID} (fast)"]
    assert len(rows) == 2 * (120 + 2 * 120)
    frame = clean_texts(pl.Series(rows))
    assert frame.filter(pl.col("text") != "a red cube").is_empty()
    parameters = frame["parameters"].struct.unnest().select("aspect", "seed", "negative").unique()
    assert parameters.rows() == [("16:9", 7, "text, hands")]


@pytest.mark.parametrize(
    ("raw", "flag"),
    [
        ("<|startoftext|>a red cube<|endoftext|>", "markup"),
        ("a <b>red</b> cube<br/>", "markup"),
        ("a &lt;b&gt;red&lt;/b&gt; cube", "markup"),
        ("<a href='x'>a red</a> cube <!-- done -->", "markup"),
        ('<p class="x">a red cube</P>', "markup"),
        (r"a red\ncube", "control"),
        (r"a red\\r\\n\\ncube\n", "control"),
        ("a\u200bred\u200bcube", "control"),
        ("a red\u200b cube", "control"),
        ("a re\u200dd cu\u2060be", "control"),
        ("a red cube +49 (0)30 123 45 67", "phone"),
        ("a red cube (555) 123-4567", "phone"),
        ("a red cube 1-800-555-0199", "phone"),
        ("a red cube 555.123.4567", "phone"),
        ("a red cube 020 7946 0958", "phone"),
        ("a red cube 06 12 34 56 78", "phone"),
        ("a red cube, call: 555-0199", "phone"),
        ("a red cube 192.168.0.1", "address"),
        ("a red cube 10.0.0.255:8080", "address"),
        ("a red cube 2001:db8::ff00:42:8329", "address"),
        ("a red cube fe80::1", "address"),
        ("a red cube bob [at] foo [dot] io", "email"),
        ("a red cube bob.b (at) foo.bar (dot) io", "email"),
        ("a red cube bob@foo[.]io", "email"),
    ],
)
def test_what_no_prompt_means_is_taken_out(raw, flag):
    row = clean_texts(pl.Series([raw])).row(0, named=True)
    assert (row["text"], row["flags"]) == ("a red cube", [flag])


@pytest.mark.parametrize(
    "text",
    [
        "a heart <3 and a <thing>",
        "a <cat sitting> here",
        "a cube, 3840 x 2160, 1990-2000, 16:9",
        "built 2023-04-05, 100 000 000 pieces",
        "version 1.2.3, f/2.8, 24-70mm 1:2.8",
        "a plate with 4294967295 on it",
        "call of duty 2003 2005",
        "a face, cafe 4:3",
        "a flag of 12.05.1999",
    ],
)
def test_plain_numbers_and_signs_stay(text):
    row = clean_texts(pl.Series([text])).row(0, named=True)
    assert (row["text"], row["flags"]) == (text, [])


def test_joined_emoji_and_scripts_get_no_gaps():
    assert clean("an astronaut 🧑\u200d🚀") == "an astronaut 🧑🚀"
    assert clean("می\u200cخواهم") == "میخواهم"


def test_no_telephone_number_or_ip_address_stays_in_a_row_that_is_refused():
    left = redact_texts(pl.Series(["x 10.0.0.1, +49 30 1234567, <@U12345>"]))
    assert left[0].split() == ["x", ",", ","]
