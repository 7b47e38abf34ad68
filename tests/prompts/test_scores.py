"""Scores of prompts, and the policy that refuses by them."""

import random
import string
import unicodedata

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from infra.errors import PRDError
from prompts.clean import normalise_texts
from prompts.scores import lexicon
from prompts.scores.config import DEFAULT_FILTERS, FilterConfig, FiltersConfig
from prompts.scores.policy import add_scores, apply_policy
from prompts.scores.registry import SCORERS
from prompts.scores.trigrams import count_costs, load_costs
from prompts.sources import load_prompts

TEXTS = st.text(max_size=80) | st.text(alphabet=string.printable, max_size=200)


def table(texts):
    """Good rows, as after cleaning."""
    texts = pl.Series(texts, dtype=pl.String)
    reason = pl.repeat(None, len(texts), dtype=pl.String, eager=True)
    return pl.DataFrame({"text": texts, "key": normalise_texts(texts), "reason": reason, "detail": reason})


def score(name, *texts):
    return SCORERS[name](table(texts)).to_list()


def listed(texts):
    """Texts with ` | ` or line ends between."""
    return [text for line in texts.strip().splitlines() for text in line.strip("| ").split(" | ")]


def policy(**filters):
    return FiltersConfig.model_validate(filters)


# Every scorer


@pytest.mark.parametrize("scorer", SCORERS.values(), ids=SCORERS)
@given(texts=st.lists(TEXTS | st.none(), max_size=6))
@settings(max_examples=60, deadline=None)
def test_scores_are_finite_in_range_and_of_the_row_alone(scorer, texts):
    scores = scorer(table(texts))
    assert len(scores) == len(texts) and scores.null_count() == 0
    assert scores.dtype in (pl.Float32, pl.Int32)
    if texts:
        assert scores.cast(pl.Float64).is_finite().all()
        assert scorer.low <= scores.min() and scores.max() <= scorer.high
    alone = [scorer(table([text])).item() for text in texts]
    assert scores.to_list() == alone


@pytest.mark.parametrize("scorer", SCORERS.values(), ids=SCORERS)
def test_scorers_take_slices_no_rows_and_huge_rows(scorer):
    rows = table(["a red cube", "x" * 1_000_000, "ab " * 300_000, "naked ,." * 100_000, "a blue ball"])
    whole = scorer(rows)
    assert scorer(rows.slice(3)).to_list() == whole.to_list()[3:]
    assert len(scorer(rows.head(0))) == 0
    assert whole.is_between(scorer.low, scorer.high).all()


@pytest.mark.parametrize("scorer", SCORERS.values(), ids=SCORERS)
def test_scorers_read_only_the_columns_that_they_name(scorer):
    rows = table(["a seamless pattern of naked skulls", "sdkjfhskjdfh sdkjfhskjdfh"])
    assert scorer(rows.select(scorer.reads)).to_list() == scorer(rows).to_list()


# n_words and repetition


def is_unspaced(letter):
    return any(name in unicodedata.name(letter, "") for name in ("CJK UNIFIED", "HIRAGANA LETTER", "THAI CHARACTER KO"))


@given(st.text(alphabet=st.characters(max_codepoint=0x24F) | st.sampled_from("赤猫のก 🔥—,'"), max_size=60))
@settings(max_examples=300, deadline=None)
def test_words_begin_with_a_letter_or_digit_and_end_at_a_space(text):
    counted = 0
    inside = False
    for letter in text:
        if is_unspaced(letter):
            counted += 1
            inside = False
        elif letter in "\t\n\v\f\r \x85\xa0":
            inside = False
        elif not inside and unicodedata.category(letter)[0] in "LN":
            counted += 1
            inside = True
    assert score("n_words", text) == [counted]


def test_words_of_scripts_without_spaces_count_by_character():
    assert score("n_words", "a blue-red cube, 4k!", "赤い猫", "- --- …", "", "été ½") == [4, 3, 0, 0, 2]


def test_repetition_is_the_share_of_words_said_before():
    assert score("repetition", "a cat", "cat cat cat cat", "Cat, a cat", "", "赤 赤") == pytest.approx(
        [0, 0.75, 1 / 3, 0, 0.5]
    )


# CLIP tokens

SAMPLES = ("midjourney", "captions", "languages", "evaluation")


@pytest.fixture(scope="module")
def reference():
    from open_clip.tokenizer import SimpleTokenizer

    tokenizer = SimpleTokenizer()
    return lambda text: len(tokenizer.encode(text)) + 2


def test_clip_tokens_of_real_prompts_are_those_of_open_clip(reference):
    texts = [text for name in SAMPLES for text in load_prompts(f"sample:{name}")][::3]
    assert score("clip_tokens", *texts) == [reference(text) for text in texts]


AWKWARD = [
    "",
    "it's they'll 'VE ''re don't 'd",
    "D&D, R&B & a&b &amp; &lt; &#39; &copy &",
    "<end_of_text> <START_OF_TEXT>x",
    "「猫」のテスト。 😀😃 ❤️",
    "a café “quoted” ‘x’",
    "“é” Ã© â€œ naïve – ok…",
    "a\tb\nc\x00d\x1b[31m",
    "ПРИВЕТ, ёлка і їжак",
    "ß ſ 'ſ İstanbul Å É Σας",
    "ﬁne ＷＩＤＥ ½ ² ٣ 8",
    "x" * 5000,
    "لا إله שלום สวัสดี नमस्ते",
]


def test_clip_tokens_of_awkward_texts_are_those_of_open_clip(reference):
    assert score("clip_tokens", *AWKWARD) == [reference(text) for text in AWKWARD]


NASTY = st.text(alphabet="'sSdtmrevl &;#amp<>_ofxt“”‘’éÃâ€ñßа猫ー。😀\ufe0f–…18.,-~", max_size=30)


@given(NASTY | st.text(max_size=40))
@settings(max_examples=400, deadline=None)
def test_clip_tokens_of_any_text_are_those_of_open_clip(reference, text):
    assert score("clip_tokens", text) == [reference(text)]


def test_clip_tokens_without_its_vocabulary_say_what_to_install(monkeypatch):
    from prompts import clip_vocabulary

    monkeypatch.setattr(clip_vocabulary, "find_spec", lambda name: None)
    clip_vocabulary.clip_merges.cache_clear()
    with pytest.raises(PRDError, match="open-clip-torch"):
        clip_vocabulary.clip_merges()
    monkeypatch.undo()
    clip_vocabulary.clip_merges.cache_clear()


# Gibberish


def mashed(seed):
    generator = random.Random(seed)
    keys = generator.choice(["asdfghjkl", string.ascii_lowercase, "qwertyuiopasdfghjklzxcvbnm"])
    return " ".join("".join(generator.choices(keys, k=generator.randint(7, 14))) for _ in range(3))


def test_most_mashed_keys_are_gibberish():
    scores = score("gibberish", *(mashed(seed) for seed in range(300)))
    assert sum(value > 0.7 for value in scores) > 0.75 * len(scores)
    assert sum(value > 0.3 for value in scores) > 0.95 * len(scores)


NOISE = """
asdf | asdfghjkl qwertyuiop | aGVsbG8gd29ybGQgdGhpcyBpcw== | 3f2a9c8d7e6b5a4f | aaaaaaaaaaaa bbbbbbbb |
sdkfjh skdjfh ksjdhf | d41d8cd98f00b204e9800998ecf8427e | jjjjjjjjjj | 48151623421984
"""


@pytest.mark.parametrize("text", listed(NOISE))
def test_mashed_keys_hashes_and_held_keys_are_gibberish(text):
    assert score("gibberish", text)[0] > 0.7


WORDS = """
octane render 8k | Zdzisław Beksiński | Grzegorz Brzęczyszczykiewicz | Zorblax the Devourer | Blorp | Xyloth |
Cthulhu | R2-D2 and C-3PO | Nikon D850 f/1.8 ISO100 | Sony WH-1000XM4 | 1920x1080 | T-800 | hahahahaha | wlop
| dslr hdr uhd | 猫のイラスト | Đặng Thị Ngọc | красный куб | qwerty keyboard | werewolf | liberty |
Schwarzwälder Kirschtorte | rhythm | Nguyễn | Kyrgyzstan | Dostoyevsky | Tlaloc | Khnopff | 1984
"""


@pytest.mark.parametrize("text", listed(WORDS))
def test_words_names_and_codes_are_no_gibberish(text):
    assert score("gibberish", text)[0] <= 0.7


def test_gibberish_is_a_share():
    one, all_of_it = score("gibberish", "a castle in sdkjfhgskdjfh", "sdkjfhgskdjfh")
    assert 0.3 < one < 0.7 < all_of_it


def test_costs_are_counted_from_words():
    costs = count_costs([("abab", 4.0), ("ab", 1.0)])
    assert costs.shape == load_costs().shape and costs.dtype == load_costs().dtype
    assert costs[0, 0, 1] < costs[0, 0, 2], "a word of these begins with a, not with b"
    with pytest.raises(ValueError, match="Été"):
        count_costs([("Été", 1.0)])


# Unsafe


INNOCENT = """
cockatoo | naked mole rat | Scunthorpe | bloody mary cocktail | moby dick | a great tit on a branch | Essex |
chicken breast on a plate | maine coon cat | an assassin | analysis | pussy willow branch | peacock | a child
| sperm whale | Dick Van Dyke | wire strippers | T17 tank | shiitake | white power bank | a kid with a kite
"""


@pytest.mark.parametrize("text", listed(INNOCENT))
def test_innocent_words_are_safe(text):
    assert score("unsafe", text)[0] <= 0.3


@pytest.mark.parametrize(
    "text", ["porn", "p0rn", "P-O-R-N", "p o r n", "pooooorn", "p*rn", "pornnnn", "pr0n", "hentai girl"]
)
def test_disguises_are_seen_through(text):
    assert score("unsafe", text)[0] > 0.8


def test_weak_evidence_adds_up_but_no_word_counts_twice():
    one, twice, two = score("unsafe", "nude figure", "nude nude figure", "nude figure, topless")
    assert 0 < one == twice < 0.8 < two


def test_sexual_prompts_about_minors_are_refused_whatever_the_words():
    assert score("unsafe", "sexy woman", "sexy little girl", "little girl") == pytest.approx([0.35, 0.97, 0])


# Shapeless


SHAPELESS = """
a poster of a cat | company logo, vector | typography | anime wallpaper 4k | seamless pattern of leaves |
Infographic about bees | a screenshot of a game | old map of Europe |
highly detailed, 8k, trending on artstation | a beautiful sunset over the sea | the meaning of life |
oil painting | 1 2 3 | movie poster design for Alien | text that says hello | a sunset that painted the hills
| an orange sunset painted the sky
"""


@pytest.mark.parametrize("text", listed(SHAPELESS))
def test_what_has_no_shape_scores_high(text):
    assert score("shapeless", text)[0] > 0.9


OBJECTS = """
a cat | a photo of a cat | cat, oil painting, 8k | black and white photograph of a tree | four-poster bed |
a bookshelf with a map on it | sticker covered laptop | a cat on a poster |
highly detailed, unreal engine, a knight | pencil | a yellow pencil on a notebook | red cube | light bulb |
picture frame | text book | movie camera | dark background, portrait of a wizard | sunset, a castle |
a close-up of a beetle | 3d model of a chair | un chat rouge | 赤い猫 | a judge delivering a sentence |
set of chess pieces | salt and pepper shaker | a covered wagon
"""


@pytest.mark.parametrize("text", listed(OBJECTS))
def test_objects_have_a_shape(text):
    assert score("shapeless", text)[0] <= 0.6


def test_the_head_noun_decides_and_others_only_hint():
    poster, cat, later, neither = score("shapeless", "cat poster", "poster cat", "cat, poster", "cat")
    assert poster > 0.9 > later > cat > neither == 0


# Lexicons


def test_lexicons_refuse_lines_that_do_not_parse():
    groups = ("flat",)
    assert lexicon.read_entries("# note\n\nflat\t0.9\tlogo(s), map of\n", groups) == {
        "logo": (0, 0.9),
        "logos": (0, 0.9),
        "map of": (0, 0.9),
    }
    for line, said in (
        ("flat 0.9 logo", "not `group"),
        ("style\t0.9\tlogo", "not `group"),
        ("flat\t0.9\ta b c d", "one to 3 words"),
        ("flat\t0.9\tlogo, logo(s)", "there already"),
    ):
        with pytest.raises(ValueError, match=said):
            lexicon.read_entries(line, groups)


# The policy


def test_the_first_failing_filter_is_the_reason_and_the_detail_says_by_how_much():
    rows = table(["a cat", "porn poster", "sdkjfhgskdjfh", "a logo"])
    config = policy(shapeless={"max": 0.9}, unsafe={"max": 0.8}, gibberish={"max": 0.7}, n_words={"min": 2})
    done = apply_policy(rows, config)
    assert done["reason"].to_list() == [None, "shapeless", "gibberish", "shapeless"]
    assert done["detail"].to_list() == [None, "shapeless 0.94 > 0.9", "gibberish 1.0 > 0.7", "shapeless 0.96 > 0.9"]
    assert [name for name in done.columns if name.startswith("score_")] == [f"score_{name}" for name in config.root]
    assert apply_policy(rows, policy(n_words={"min": 2}))["detail"].to_list() == [None, None, "n_words 1 < 2", None]


def test_rows_with_a_reason_keep_it_and_are_not_scored():
    rows = table(["a cat", None, "a logo"]).with_columns(
        reason=pl.Series([None, "missing", None]), detail=pl.Series([None, "`text` is null", None])
    )
    done = apply_policy(rows, policy(shapeless={"max": 0.9}, n_words={"min": 1}))
    assert done["reason"].to_list() == [None, "missing", "shapeless"]
    assert done["detail"][1] == "`text` is null"
    assert done["score_n_words"].to_list() == [2, None, 2]
    assert done["score_shapeless"].to_list() == pytest.approx([0, None, 0.96])


def test_a_score_at_the_limit_stays():
    rows = table(["porn"])
    limit = add_scores(rows, ["unsafe"])["score_unsafe"].round(3).item()
    assert apply_policy(rows, policy(unsafe={"max": round(limit, 3)}))["reason"].to_list() == [None]
    assert apply_policy(rows, policy(unsafe={"max": 0.929}))["detail"].to_list() == ["unsafe 0.93 > 0.929"]


def test_a_filter_without_limits_records_and_one_set_to_null_is_off():
    done = apply_policy(table(["a logo"]), policy(shapeless={}, unsafe=None))
    assert done["reason"].to_list() == [None]
    assert done["score_shapeless"].item() > 0.9
    assert "score_unsafe" not in done.columns


def test_no_rows_pass_through():
    done = apply_policy(table([]), FiltersConfig())
    assert len(done) == 0 and done.schema["score_unsafe"] == pl.Float32 and done.schema["score_n_words"] == pl.Int32


def test_unknown_filters_are_refused_with_those_that_there_are():
    with pytest.raises(ValidationError, match=r"no filter is called `unsave`.*n_words, clip_tokens, gibberish"):
        policy(unsave={"max": 0.8})
    with pytest.raises(ValidationError, match="must not exceed"):
        policy(unsafe={"min": 1, "max": 0})


def test_the_default_policy_lies_within_what_scores_can_be():
    assert FiltersConfig().root == DEFAULT_FILTERS
    for name, limits in FiltersConfig().active():
        for limit in (limits.min, limits.max):
            assert limit is None or SCORERS[name].low <= limit <= SCORERS[name].high
    assert FiltersConfig.model_validate(FiltersConfig().model_dump()) == FiltersConfig()
    assert FilterConfig().min is None


def test_the_default_policy_leaves_captions_of_objects_alone():
    rows = table(load_prompts("sample:solids"))
    assert apply_policy(rows, FiltersConfig())["reason"].null_count() == len(rows)
