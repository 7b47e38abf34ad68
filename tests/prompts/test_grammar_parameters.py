"""What is set beside a prompt: that it is read, that it comes off, and that nothing else does."""

import polars as pl
import pytest

from prompts.clean import clean, clean_texts
from prompts.parameters import PARAMETERS

ID = "<@123456789012345678>"


def read(raw: str) -> tuple[str, dict]:
    """The text, and the parameters that are there."""
    row = clean_texts(pl.Series([raw])).row(0, named=True)
    return row["text"], {name: value for name, value in (row["parameters"] or {}).items() if value is not None}


@pytest.mark.parametrize(
    ("raw", "parameters"),
    [
        ("a cube --ar 16:9", {"aspect": "16:9"}),
        ("a cube --aspect 16/9", {"aspect": "16:9"}),
        ("a cube —ar 3 : 2", {"aspect": "3:2"}),
        ("a cube --ar 1:1 --ar 2:3", {"aspect": "2:3"}),
        ("a cube -ar 2:3", {"aspect": "2:3"}),
        ("a cube --v 5.2", {"version": "5.2"}),
        ("a cube --version 4", {"version": "4"}),
        ("a cube --V 6", {"version": "6"}),
        ("a cube --niji 6", {"version": "niji 6"}),
        ("a cube --niji", {"version": "niji"}),
        ("a cube --niji --style cute", {"version": "niji", "style": "cute"}),
        ("a cube --seed 4294967295", {"seed": 4294967295}),
        ("a cube --s 750 –style raw", {"stylize": 750.0, "style": "raw"}),
        ("a cube --stylize=50", {"stylize": 50.0}),
        ("a cube --no text, hands --v 5", {"negative": "text, hands", "version": "5"}),
        ("a cube --no text --v 5 --no a well-lit room", {"negative": "text, a well-lit room", "version": "5"}),
        ("a cube --no text by @somebody, https://a.example/b", {"negative": "text by"}),
        ("a cube --no", {}),
        ("a cube::2 a ball::-.5", {"weights": [2.0, -0.5], "negative": "a ball"}),
        ("a cube:: a ball::3", {"weights": [1.0, 3.0]}),
        ("(a cube:1.5), a ball", {"weights": [1.5]}),
        ("a cube --tile --hd --q .5 --iw 2 --chaos 10", {}),
        (
            "a cube\nNegative prompt: (blurry:1.2), ugly\nSteps: 20, Sampler: Euler a, Seed: 12, Size: 512x768",
            {"negative": "blurry, ugly", "seed": 12, "aspect": "512:768"},
        ),
        ("a plain cube, 16:9, seed 7", {}),
    ],
)
def test_parameters_are_read(raw, parameters):
    assert read(raw)[1] == parameters


def test_parameters_have_one_type_whatever_is_found():
    for rows in (["a cube"], ["a cube --v 5"], [None], []):
        assert clean_texts(pl.Series(rows, dtype=pl.String)).schema == {
            "text": pl.String,
            "flags": pl.List(pl.String),
            "parameters": PARAMETERS,
        }


def test_switches_after_one_another_keep_their_words_out_of_the_text():
    assert clean("a cube —hd —tile —v 5") == "a cube"


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        ("a house--small and red--on a hill", "a house - small and red - on a hill"),
        ("state--of--the--art laptop", "state - of - the - art laptop"),
        ("robot --test of time", "robot test of time"),
        ("x-ray --beautiful skull", "x-ray beautiful skull"),
        ("a knight --profile view", "a knight profile view"),
        ("a shirt --v-neck, grey", "a shirt v-neck, grey"),
        ("a model --h2o molecule", "a model h2o molecule"),
        ("a house--no roof", "a house - no roof"),
        ("a --fast --red car", "a fast red car"),
    ],
)
def test_two_hyphens_before_a_word_that_is_no_parameter_are_a_dash(raw, text):
    assert read(raw) == (text, {})


@pytest.mark.parametrize(
    "tail",
    [
        "--ar 3:2--v 5",
        "--ar 3:2--v 5--hd",
        "--v 5--no text--ar 3:2",
        "--hd--niji",
        "--test --creative --upbeta",
        "--testp --ar 3:2 --tile",
        "--raw --fast --relax --turbo --stealth --public --draft --video --beta",
        "--style raw --profile m7abc12 --p --p x9k2w",
        "--sref random --sw 100 --cref --cw 0 --oref 12 --ow 400 --sv 4",
        "--motion high --end loop --loop --bs 2 --exp 20",
        "--width 512 --height 512 --w 512 --h 512 --r 4 --repeat 4",
        "--q .5 --quality 2 --s 5 --stylize 5 --c 5 --chaos 5 --weird 5 --iw 2 --stop 80",
        "--seed --ar",
        "—fast —tile",
    ],
)
def test_every_parameter_is_taken_off(tail):
    assert read(f"a red cube {tail}")[0] == "a red cube"
    assert read(f"**a red cube {tail}** - {ID} (fast)")[0] == "a red cube"


def test_parameters_are_taken_off_where_they_stand():
    assert clean("a red cube--ar 3:2") == "a red cube"
    assert clean("a red --v 5 --hd --niji --ar 3:2 cube") == "a red cube"
    assert read("a cube --no well--lit rooms --v 5") == ("a cube", {"negative": "well - lit rooms", "version": "5"})


def test_web_settings_beside_parameters_keep_the_negative_whole():
    assert read("a cube\nNegative prompt: blurry --ar 3:2") == ("a cube", {"negative": "blurry", "aspect": "3:2"})


@pytest.mark.parametrize(
    ("raw", "text", "negative"),
    [
        ("mossy frog statue::2 swamp::-0.5", "mossy frog statue", "swamp"),
        ("swamp::-0.5 mossy frog statue::2", "mossy frog statue", "swamp"),
        ("a frog::2 swamp::-0.5 mist::-1 moss::1", "a frog, moss", "swamp, mist"),
        ("a frog:: swamp: :-.5 moss", "a frog, moss", "swamp"),
        ("a frog::2 a 1:2 model, seen: twice::-1", "a frog", "a 1:2 model, seen: twice"),
        ("a frog::2 swamp::-0.5 --no mist --v 5", "a frog", "mist, swamp"),
        ("a frog::2 swamp::0.5", "a frog, swamp", None),
    ],
)
def test_what_weighs_less_than_nothing_is_not_to_be_seen(raw, text, negative):
    found, parameters = read(raw)
    assert (found, parameters.get("negative")) == (text, negative)


def test_what_is_found_in_one_row_says_nothing_of_others():
    rows = ["a cube", "a cube --no mist", "a frog::2 swamp::-1", "a frog::2 swamp::-1 --no mist", "a cube --v 5"]
    parameters = clean_texts(pl.Series(rows))["parameters"].struct.unnest()
    assert parameters["negative"].to_list() == [None, "mist", "swamp", "mist, swamp", None]
    assert parameters["version"].to_list() == [None] * 4 + ["5"]
