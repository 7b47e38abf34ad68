"""The language of the miniature world, and what of it is held out."""

from collections import Counter
from hashlib import sha256

import pytest

from infra.errors import InputError
from teachers.miniature.scene import COLOURS, SOLIDS, Scene, all_scenes, lesson, parse
from teachers.miniature.tokenizer import WORDS


@pytest.fixture(scope="module")
def scenes() -> list[Scene]:
    return list(all_scenes())


def kind(scene: Scene) -> str:
    return "nosed" if scene.nose else "stacked" if scene.below else "alone"


def test_every_scene_once(scenes):
    singles = len(COLOURS) * len(SOLIDS)
    assert len(set(scenes)) == len(scenes)
    assert Counter(map(kind, scenes)) == {
        "alone": singles,
        "nosed": singles * (len(COLOURS) - 1),
        "stacked": singles * (len(COLOURS) - 1) * len(SOLIDS),
    }


def test_every_sentence_parses_back(scenes):
    assert all(parse(str(scene)) == scene for scene in scenes)
    assert len({str(scene) for scene in scenes}) == len(scenes)


def test_the_tokenizer_has_a_token_for_every_word(scenes):
    assert {word for scene in scenes for word in str(scene).split()} <= set(WORDS)


@pytest.mark.parametrize(
    ("prompt", "scene"),
    [
        ("a red cube", Scene("red", "cube")),
        ("  An  ORANGE Torus. ", Scene("orange", "torus")),
        ("The green sphere with THE yellow Nose", Scene("green", "sphere", nose="yellow")),
        ("an red cube on the\tblue cylinder", Scene("red", "cube", below=("blue", "cylinder"))),
        ("a red cube on a red cube", Scene("red", "cube", below=("red", "cube"))),
    ],
)
def test_case_articles_and_spaces_do_not_matter(prompt, scene):
    assert parse(prompt) == scene


@pytest.mark.parametrize(
    ("prompt", "message", "hint"),
    [
        ("", "not a sentence", "a red cube on a blue cylinder"),
        ("   ", "not a sentence", "a red cube"),
        ("a photo of nothing in particular", "not a sentence", "with a yellow nose"),
        ("red cube", "not a sentence", "a red cube"),
        ("a red cube, clay", "not a sentence", "a red cube"),
        ("a red cube on", "not a sentence", "a red cube"),
        ("a red cube on a blue cone on a green cube", "not a sentence", "a red cube"),
        ("a teal cube", "no colour 'teal'", "red, green, blue"),
        ("a red cube on a teal cone", "no colour 'teal'", "red, green, blue"),
        ("a red cube with a teal nose", "no colour 'teal'", "red, green, blue"),
        ("a red teapot", "no solid 'teapot'", "sphere, cube, cylinder"),
        ("a red cube on a blue table", "no solid 'table'", "sphere, cube, cylinder"),
        ("a red cube with a blue nose on a green cone", "no nose", "without a nose"),
    ],
)
def test_what_is_not_of_the_language_says_so_with_a_way_out(prompt, message, hint):
    with pytest.raises(InputError) as caught:
        parse(prompt)
    assert message in caught.value.message
    assert hint in caught.value.hint


def test_about_an_eighth_of_each_kind_is_held_out(scenes):
    total, held_out = Counter(map(kind, scenes)), Counter(kind(scene) for scene in scenes if scene.is_held_out)
    assert total.keys() == held_out.keys()
    assert all(0.1 < held_out[each] / total[each] < 0.16 for each in total)


def test_every_colour_and_solid_is_learned_and_judged(scenes):
    for each in ("alone", "nosed", "stacked"):
        for held_out in (True, False):
            some = [scene for scene in scenes if kind(scene) == each and scene.is_held_out == held_out]
            assert {scene.solid for scene in some} == set(SOLIDS)
            assert len({scene.colour for scene in some}) >= (9 if each == "alone" and held_out else len(COLOURS))


def test_arrangements_of_the_same_words_go_together(scenes):
    for scene in scenes:
        if scene.below is None:
            continue
        colour, solid = scene.below
        turned = Scene(colour, solid, below=(scene.colour, scene.solid))
        exchanged = Scene(colour, scene.solid, below=(scene.colour, solid))
        assert scene.words == turned.words == exchanged.words
        assert scene.is_held_out == turned.is_held_out == exchanged.is_held_out


def test_articles_do_not_count():
    assert Scene("orange", "cube", nose="red").words == {"orange", "cube", "with", "red", "nose"}


def test_the_split_is_the_one_that_the_shipped_models_were_trained_on(scenes):
    held_out = sorted(str(scene) for scene in scenes if scene.is_held_out)
    assert (len(held_out), sha256("\n".join(held_out).encode()).hexdigest()[:16]) == (689, "2cb180143ef22401")


def test_a_lesson_practises_what_is_rare(scenes):
    practised = lesson(scenes)
    assert set(practised) == set(scenes)
    share = {name: count / len(practised) for name, count in Counter(map(kind, practised)).items()}
    assert share["alone"] > 1 / 8 and share["nosed"] > 1 / 4 and share["stacked"] > 1 / 2
