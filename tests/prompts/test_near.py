"""Which prompts are one, which are not, and what is learned of style on the way."""

import random
from itertools import pairwise, permutations

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prompts.dedup import near as searching
from prompts.dedup.clusters import cluster, same_meaning
from prompts.dedup.near import NearDuplicates, find_near_duplicates
from prompts.dedup.pairs import RULES, TAG, unique_pairs
from prompts.dedup.searcher import Threads
from prompts.dedup.split import split_style, subject_keys
from prompts.dedup.tables import parts_for
from prompts.dedup.tokens import tokenise
from prompts.workspace import Workspace

TAGS = ["highly detailed", "octane render", "studio lighting", "trending on artstation", "cinematic", "8k", "bokeh"]
ANIMALS = ["fox", "owl", "badger", "heron", "otter", "lynx", "toad", "crab", "moth", "raven", "tapir", "gecko"]
PLACES = ["in a teacup", "on a bicycle", "under an umbrella", "with a lantern", "near a well", "behind a curtain"]


@pytest.fixture(scope="module")
def crowd() -> list[str]:
    """Prompts of people: many subjects, few tags, in ever other combinations."""
    choose = random.Random(3)
    subjects = [f"a {animal} {place}" for animal in ANIMALS for place in PLACES]
    return [", ".join([subject, *choose.sample(TAGS, choose.randint(1, 5))]) for subject in subjects for _ in range(3)]


@pytest.fixture(scope="module")
def rule_of(crowd):
    """`rule_of(one, other)`: by which rule the two are one among the crowd, or None."""

    def find(one: str, other: str) -> str | None:
        texts = pl.Series([one, other, *crowd])
        near = find_near_duplicates(texts)
        kept, rules = cluster(near.pairs, len(texts))
        return RULES[max(rules[0], rules[1])] if kept[0] == kept[1] else None

    return find


SAME = [
    ("a red cube", "red cube", "function_words"),
    ("a castle of stone on the hill", "castle of stone on hill", "function_words"),
    ("a cat with hat", "a cat with a hat", "function_words"),
    ("a cherry-red car", "a cherry red car", "function_words"),
    ("a wooden old table", "an old wooden table", "word_order"),
    ("a wizard, a tower, night sky", "night sky, a wizard, a tower", "word_order"),
    ("a red cube and a blue sphere", "a blue sphere and a red cube", "word_order"),
    ("a blue and white vase on a table", "a white and blue vase on a table", "word_order"),
    ("at night a castle in fog", "a castle in fog at night", "word_order"),
    ("a lamp of tin, studio render, octane lighting", "a lamp of tin, studio lighting, octane render", "word_order"),
    ("the lamp on a shelf of oak", "shelf lamp on a the of oak", "word_order"),
    ("a wooden casle on a hill", "a wooden castle on a hill", "typo"),
    ("a woodenn castle on a hill", "a wooden castle on a hill", "typo"),
    ("a wooden casrle on a hill", "a wooden castle on a hill", "typo"),
    ("a wooden catsle on a hill", "a wooden castle on a hill", "typo"),
    ("a wooden castle wiht a moat", "a wooden castle with a moat", "typo"),
    ("a light saber on a table", "a lightsaber on a table", "joined_word"),
    ("an hour glass at the golden hour", "an hourglass at a golden hour", "joined_word"),
    ("a teapot, 85 mm lens, bokeh", "a teapot, 85mm lens, bokeh", "joined_word"),
    ("a purple teapot, octane renders, bokeh", "a purple teapot, octane render, bokeh", "style_plural"),
    ("a teapot, octane renders, studio render", "a teapot, octane render, studio render", "style_plural"),
    ("a purple teapot, octane render", "a purple teapot", "style_tag"),
    ("a purple teapot, octane render, cinematic", "a purple teapot, cinematic", "style_tag"),
    ("cinematic, a purple teapot", "a purple teapot", "style_tag"),
    ("a purple teapot highly detailed", "a purple teapot", "style_tag"),
    (f"a cat on a dog, {', '.join(TAGS)}", f"a cat on a dog, {', '.join(TAGS[2:])}", "style_tag"),
    ("a purple teapot, bokeh, bokeh", "a purple teapot, bokeh", "word_order"),
    ("an iron robot of gears holding a tiny flower, dusk", "an iron robot of gears holding a tiny flower", "style_tag"),
    ("a teapot, 8 k, bokeh, cinematic", "a teapot, bokeh, cinematic, 8k", "word_order"),
    ("a 3 d teapot of clay", "a 3d teapot of clay", "function_words"),
    ("a boat in the harbour at dawn", "a boat in the haarbour at dawn", "typo"),
    ("a boat in the harbor at dawn", "a boat in the haarbour at dawn", "typo"),
    ("a grey cat on a coloured carpet", "the gray cat on a colored carpet", "spelling"),
    ("3 stylised owls", "three stylized owls", "spelling"),
    ("ein roter Würfel auf dem Tisch", "roter Würfel auf Tisch", "function_words"),
]


@pytest.mark.parametrize(("one", "other", "rule"), SAME)
def test_these_are_one(rule_of, one, other, rule):
    assert rule_of(one, other) == rule_of(other, one) == rule


OTHER = [
    ("a small wooden toy cube on a marble table, blue", "a small wooden toy cube on a marble table"),
    ("可爱的狗", "可爱的猫"),
    (f"a cat on a dog, {', '.join(TAGS)}", f"a dog on a cat, {', '.join(TAGS[:-2])}"),
    ("a red cube", "a blue cube"),
    ("a cat", "a dog"),
    ("a cat on a dog", "a dog on a cat"),
    ("a red cube on a blue sphere", "a blue cube on a red sphere"),
    ("a red cube and a blue sphere", "a blue cube and a red sphere"),
    ("a red cube and sphere", "a red sphere and cube"),
    ("a fox with a white tail", "a white fox with a tail"),
    ("a cat wearing a blue scarf", "a blue cat wearing a scarf"),
    ("a bear holding a golden shield", "a golden bear holding a shield"),
    ("a cat in a box", "a cat on a box"),
    ("a walrus in a teapot, trending on artstation", "a walrus on a teapot, trending on artstation"),
    ("a newt in a jar on a shelf", "a newt on a jar on a shelf"),
    ("a man as a bear", "a man and a bear"),
    ("a copper flask with leather straps", "a leather flask with copper straps"),
    ("a red brick house with a black iron fence", "a black brick house with a red iron fence"),
    ("a wooden castle with towers on a hill, a badger, bokeh", "a wooden castle with towers on a hill, bokeh"),
    ("a cat with a hat", "a cat without a hat"),
    ("a street with people", "a street with no people"),
    ("two cats", "three cats"),
    ("2 cats", "three cats"),
    ("a grey cat", "a green cat"),
    ("a cat", "cats"),
    ("purple teapots, octane render", "a purple teapot, octane render"),
    ("a mop 3 of 4", "a mop 34 of"),
    ("a robot mk2", "a robot mk3"),
    ("a man in a coat", "a woman in a coat"),
    ("a woman in a coat", "women in a coat"),
    ("a black cab on a bridge", "a black cat on a bridge"),
    ("a house in fog", "a horse in fog"),
    ("a cube", "a red cube"),
    ("a castle", "a castle, a dragon"),
    ("a castle at night", "a castle"),
    ("a purple teapot, cinematic", "a purple teapot, bokeh"),
    ("a purple teapot, no bokeh", "a purple teapot"),
    ("a wooden crow on a hill", "a wooden crown on a hill"),
    ("a grilled hake on a white plate", "a grilled cake on a white plate"),
    ("naruto, highly detailed, octane render, 8k, bokeh", "inuyasha, highly detailed, octane render, 8k, bokeh"),
]


@pytest.mark.parametrize(("one", "other"), OTHER)
def test_these_are_not(rule_of, one, other):
    assert rule_of(one, other) is None
    assert rule_of(other, one) is None


@pytest.mark.parametrize("order", permutations(range(3)))
def test_one_wording_joins_all_that_say_no_otherwise(order, crowd):
    texts = ["blue and white clock radio", "blue & white clock radio", "white and blue clock radio"]
    near = find_near_duplicates(pl.Series([texts[place] for place in order] + crowd))
    assert len(set(same_meaning(near.pairs, 3 + len(crowd))[:3])) == 1
    texts = ["cat box", "a cat in a box", "a cat on a box"]
    near = find_near_duplicates(pl.Series([texts[place] for place in order] + crowd))
    assert len(set(same_meaning(near.pairs, 3 + len(crowd))[:3])) == 2


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_the_order_of_prompts_does_not_change_what_is_one(data, crowd):
    texts = list(dict.fromkeys([*crowd[:30], *(text for pair in SAME + OTHER for text in pair[:2])]))
    assert _meanings(data.draw(st.permutations(texts))) == _meanings(texts)


def test_neither_parts_nor_files_nor_batches_change_what_is_found(crowd, tmp_path):
    texts = list(dict.fromkeys([*crowd, *(text for pair in SAME + OTHER for text in pair[:2])]))
    whole = find_near_duplicates(pl.Series(texts))
    batches = [pl.Series(texts[start : start + 7], dtype=pl.String) for start in range(0, len(texts), 7)]
    searcher = Threads(memory=3 * 4000, threads=2)
    parts = find_near_duplicates(batches, workspace=Workspace(tmp_path), searcher=searcher)
    assert len(whole.pairs) > len(SAME) and parts_for(len(texts), searcher.memory) > 2
    assert np.array_equal(parts.pairs, whole.pairs)
    assert np.array_equal(parts.style.segment_is_style, whole.style.segment_is_style)


def _meanings(texts: list[str]) -> set[frozenset[str]]:
    found: dict[int, list[str]] = {}
    trust = np.array(sorted(range(len(texts)), key=texts.__getitem__))
    near = find_near_duplicates(pl.Series(texts), trust=trust)
    for text, meaning in zip(texts, same_meaning(near.pairs, len(texts)), strict=True):
        found.setdefault(int(meaning), []).append(text)
    return {frozenset(group) for group in found.values()}


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_a_search_that_goes_on_finds_what_one_among_all_finds(data, crowd):
    texts = list(dict.fromkeys([*crowd[:60], *(text for pair in SAME + OTHER for text in pair[:2])]))
    texts = data.draw(st.permutations(texts))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(texts)), min_size=1, max_size=3)))
    trust = np.array(data.draw(st.permutations(range(len(texts)))))
    with pytest.MonkeyPatch.context() as patch:
        # As if there were many more of them: what counts as rare changes on the way.
        patch.setattr(searching, "_RARE", data.draw(st.sampled_from([1, 8])))
        patch.setattr(searching, "_ROWS_FOR_RARE", data.draw(st.sampled_from([8, 2000])))
        whole = find_near_duplicates(pl.Series(texts), trust=trust)
        near = None
        for start, end in pairwise([0, *cuts, len(texts)]):
            column = pl.Series(texts[start:end], dtype=pl.String)
            near = find_near_duplicates(column, trust=trust[trust < end], earlier=near)
    assert near is not None
    assert _found(near) == _found(whole)
    assert np.array_equal(near.style.segment_is_style, whole.style.segment_is_style)
    assert np.array_equal(near.style.phrases, whole.style.phrases)
    assert np.array_equal(near.flaws, whole.flaws)
    assert np.array_equal(near.profile.counts.sum(), whole.profile.counts.sum())


def _found(near: NearDuplicates) -> list[list[int]]:
    """Whatever side a pair was found from."""
    pairs = near.pairs.copy()
    pairs[:, :2].sort(axis=1)
    return unique_pairs(pairs).tolist()


def test_where_too_many_are_alike_trust_decides_and_not_their_order():
    choose = random.Random(5)
    names = list({"bra" + "".join(choose.choices("acdefghiklmnopst", k=5)) for _ in range(4300)})
    prompts = [f"a {name} lantern of copper beside a window" for name in sorted(names)]

    def found(order: list[str], trusted: list[str], known: int = 0) -> set[frozenset[str]]:
        place = {prompt: index for index, prompt in enumerate(order)}
        trust = np.array([place[prompt] for prompt in trusted])
        before = find_near_duplicates(pl.Series(order[:known]), trust=trust[trust < known]) if known else None
        near = find_near_duplicates(pl.Series(order[known:]), trust=trust, earlier=before)
        return {frozenset((order[one], order[other])) for one, other, _ in near.pairs}

    shuffled = choose.sample(prompts, len(prompts))
    straight = found(prompts, prompts)
    assert straight == found(shuffled, prompts)
    assert straight != found(prompts, shuffled)  # so not all were compared
    assert straight == found(prompts, prompts, known=4000)


@settings(max_examples=200, deadline=None)
@given(texts=st.lists(st.text(max_size=40), max_size=12))
def test_any_text_goes_through(texts):
    near = find_near_duplicates(pl.Series(texts, dtype=pl.String))
    kept, rules = cluster(near.pairs, len(texts))
    assert np.array_equal(kept[kept], kept), "who stands for others stays itself"
    assert np.array_equal(rules == 0, kept == np.arange(len(texts)))
    parts = split_style(pl.Series(texts, dtype=pl.String), near)
    assert parts.null_count().sum_horizontal().item() == 0


def test_a_chain_of_tags_does_not_lead_away():
    chain = [(index, index + 1, TAG) for index in range(6)]
    kept, _ = cluster(np.array(chain, np.int32), 7)
    assert all(abs(index - stays) <= 1 for index, stays in enumerate(kept))
    slips, _ = cluster(np.array([(one, other, 3) for one, other, _ in chain], np.int32), 7)
    assert len(set(slips)) == 1


@pytest.mark.parametrize("order", [(0, 1, 2), (1, 2, 0), (2, 0, 1)])
def test_a_prompt_that_says_less_makes_no_one_thing_of_two_that_say_more(order):
    texts = ["a cat in a box", "a cat on a box", "cat box"]
    meanings = same_meaning(find_near_duplicates(pl.Series([texts[place] for place in order])).pairs, 3)
    by_text = {texts[place]: meaning for place, meaning in zip(order, meanings, strict=True)}
    assert by_text["a cat in a box"] != by_text["a cat on a box"]
    assert by_text["cat box"] in (by_text["a cat in a box"], by_text["a cat on a box"])


def test_style_is_learned_from_what_follows_many_subjects(crowd):
    texts = pl.Series([*crowd, "a kite, octane render, made of paper, BOKEH", "cinematic, bokeh"])
    near = find_near_duplicates(texts)
    parts = split_style(texts, near)
    assert parts.row(-2) == ("a kite, made of paper", "octane render, BOKEH")
    assert parts.row(-1) == ("cinematic, bokeh", ""), "what is all style is its own subject"
    subjects = {text.split(",")[0] for text in crowd}
    assert set(parts["subject"][:-2]) == subjects
    assert len(np.unique(subject_keys(near)[:-2])) == len(subjects)


def test_words_are_told_apart_in_every_script():
    tokens = tokenise([pl.Series(["A Cat’s hat, v5.2 & J. K. Rowling; 8 K", "Ёлка — ЗЕЛЁНАЯ、红色的球", "", None])])
    words = [
        [tokens.spelling(word) for word in tokens.words[tokens.offsets[row] : tokens.offsets[row + 1]]]
        for row in range(len(tokens))
    ]
    assert words == [["a", "cats", "hat", "v5.2", "j", "k", "rowling", "8k"], ["ёлка", "зелёная", "红色的球"], [], []]
    places = tokens.places[: tokens.offsets[1]]
    assert [("A Cat’s hat, v5.2 & J. K. Rowling; 8 K".encode()[place:]).decode()[0] for place in places] == list(
        "AChvJKR8"
    )
