"""The guess at a language says nothing rather than something wrong."""

import polars as pl
import pytest

from prompts.clean import normalise_texts
from prompts.language import guess_languages


def guess(text: str) -> str:
    return guess_languages(normalise_texts(pl.Series([text])))[0]


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("a red cube on a blue cylinder", "en"),
        ("portrait of an old man with a beard", "en"),
        ("ein roter Würfel auf einem blauen Zylinder", "de"),
        ("eine weiße Kugel", "de"),
        ("un cube rouge sur un cylindre bleu", "fr"),
        ("un cubo rojo sobre un cilindro azul", "es"),
        ("um cubo vermelho sobre um cilindro azul", "pt"),
        ("un cubo rosso su un cilindro blu con la luce", "it"),
        ("een rode kubus op een blauwe cilinder", "nl"),
        ("czerwony sześcian na niebieskim walcu", "pl"),
        ("mavi silindir üzerinde kırmızı bir küp", "tr"),
        ("красный куб на синем цилиндре", "ru"),
        ("червоний куб із синім циліндром", "uk"),
        ("青い円柱の上の赤い立方体", "ja"),
        ("一个红色立方体在蓝色圆柱体上面", "zh"),
        ("파란 원통 위의 빨간 큐브", "ko"),
        ("مكعب أحمر على أسطوانة زرقاء", "ar"),
        ("κόκκινος κύβος", "el"),
        ("קובייה אדומה", "he"),
    ],
)
def test_languages(text, language):
    assert guess(text) == language


@pytest.mark.parametrize(
    "text", ["victorian townhouse", "jack-o-lantern", "Zdzisław Beksiński", "42", "", "space-age pod"]
)
def test_it_says_when_it_cannot_tell(text):
    assert guess(text) == "und"


def test_samples_have_the_language_their_author_stated():
    import json

    from prompts.sources import SAMPLES

    rows = pl.DataFrame(json.loads((SAMPLES / "languages.json").read_text(encoding="utf-8")))
    guesses = guess_languages(normalise_texts(rows["prompt"]))
    assert ((guesses == rows["lang"]) | (guesses == "und")).all()
    assert (guesses == rows["lang"]).mean() > 0.95
