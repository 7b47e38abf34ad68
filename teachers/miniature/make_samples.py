"""Write the sample sources and evaluation prompts: `python -m teachers.miniature.make_samples [FOLDER]`.

They speak of the miniature world in the manners of real collections: platform wrappers, mentions, links, parameters,
style tails, duplicates, other languages, broken rows. Every id, name and address is made up. No source speaks of a
scene that the world holds out, but for a few planted leaks that decontamination must find; the evaluation prompts are
all of such scenes.
"""

import json
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from itertools import cycle
from pathlib import Path
from random import Random
from typing import TypeVar

import pyarrow as pa
import pyarrow.parquet as pq

from infra.seeds import derive_seed
from teachers.miniature.captions import PLACES, STYLES
from teachers.miniature.scene import COLOURS, SOLIDS, Scene, all_scenes, learnable_scenes

T = TypeVar("T")

FOLDER = Path(__file__).parents[2] / "prompts" / "samples"
"""Where the project keeps them."""

_NOSED, _STACKED = 440, 1000
"""How many scenes of each kind the plain list has, beside every single solid."""

_EVALUATED = 100

LANGUAGES: dict[str, tuple[dict[str, str], dict[str, str], str, str]] = {
    # Colours, solids, one thing, one thing on another; nominative, or near enough for what people type.
    "de": (
        {"red": "rote", "green": "grüne", "blue": "blaue", "yellow": "gelbe", "black": "schwarze", "white": "weiße"},
        {"sphere": "Kugel", "capsule": "Kapsel"},
        "eine {0}",
        "eine {0} auf einer {1}",
    ),
    "fr": (
        {"red": "rouge", "green": "vert", "blue": "bleu", "yellow": "jaune", "black": "noir", "white": "blanc"},
        {"cube": "cube", "cylinder": "cylindre", "cone": "cône", "torus": "tore"},
        "un {0} sur un fond blanc",
        "un {0} sur un {1}",
    ),
    "es": (
        {"red": "rojo", "green": "verde", "blue": "azul", "yellow": "amarillo", "black": "negro", "white": "blanco"},
        {"cube": "cubo", "cylinder": "cilindro", "cone": "cono"},
        "un {0} con luz de estudio",
        "un {0} sobre un {1}",
    ),
    "pt": (
        {"red": "vermelho", "green": "verde", "blue": "azul", "yellow": "amarelo", "black": "preto", "white": "branco"},
        {"cube": "cubo", "cylinder": "cilindro", "cone": "cone"},
        "um {0} em um fundo branco",
        "um {0} sobre um {1}",
    ),
    "ru": (
        {
            "red": "красный",
            "green": "зелёный",
            "blue": "синий",
            "yellow": "жёлтый",
            "black": "чёрный",
            "white": "белый",
        },
        {"cube": "куб", "cylinder": "цилиндр", "cone": "конус"},
        "{0}",
        "{0} и {1}",
    ),
    "ja": (
        {"red": "赤い", "green": "緑の", "blue": "青い", "yellow": "黄色い", "black": "黒い", "white": "白い"},
        {"sphere": "球", "cube": "立方体", "cylinder": "円柱", "cone": "円錐"},
        "{0}のレンダリング",
        "{1}の上の{0}",
    ),
    "zh": (
        {"red": "红色", "green": "绿色", "blue": "蓝色", "yellow": "黄色", "black": "黑色", "white": "白色"},
        {"sphere": "球体", "cube": "立方体", "cylinder": "圆柱体", "cone": "圆锥体"},
        "一个{0}",
        "一个{0}在{1}上面",
    ),
}
_NOUN_FIRST = {"fr", "es", "pt"}
_UNSPACED = {"ja", "zh"}


class Draw:
    """Choices from a seed, through `Random.random` alone, whose sequence Python promises not to change."""

    def __init__(self, purpose: str) -> None:
        self._random = Random(derive_seed(2503, purpose))

    def below(self, size: int) -> int:
        return int(self._random.random() * size)

    def one(self, items: Sequence[T]) -> T:
        return items[self.below(len(items))]

    def some(self, items: Sequence[T], count: int) -> list[T]:
        """Different ones, in a drawn order."""
        pool = list(items)
        return [pool.pop(self.below(len(pool))) for _ in range(count)]

    def chance(self, share: float) -> bool:
        return self._random.random() < share

    def shuffled(self, items: Sequence[T]) -> list[T]:
        return self.some(items, len(items))

    def scene(self) -> Scene:
        """Any scene that is not held out: half stacked, a fifth with a nose."""
        while True:
            colour, other = self.some(tuple(COLOURS), 2)
            solid, share = self.one(SOLIDS), self._random.random()
            if share < 0.5:
                scene = Scene(colour, solid, below=(other, self.one(SOLIDS)))
            else:
                scene = Scene(colour, solid, nose=other if share < 0.7 else None)
            if not scene.is_held_out:
                return scene


def solids() -> bytes:
    """A plain list: every solid in every colour, and many with noses and stacked."""
    draw = Draw("solids")
    alone, nosed, stacked = _kinds(learnable_scenes())
    return _lines(draw.shuffled([*alone, *draw.some(nosed, _NOSED), *draw.some(stacked, _STACKED)]))


def evaluation() -> bytes:
    """Prompts to be judged by, one a line."""
    return _lines(evaluated())


def evaluated() -> list[Scene]:
    """Held-out scenes: all single solids, more and more rarely, and among the others a third with noses.

    No two have the same words, and any first few are of many colours and solids.
    """
    draw = Draw("evaluation")
    alone, nosed, stacked = (draw.shuffled(kind) for kind in _kinds(s for s in all_scenes() if s.is_held_out))
    # Where single solids come: 0, 1, 4, 9, 16, ... to the last place.
    places = {round((_EVALUATED - 1) * (index / (len(alone) - 1)) ** 2) for index in range(len(alone))}
    others = cycle((stacked, nosed, stacked))
    chosen: list[Scene] = []
    said: Counter[str] = Counter()
    for place in range(_EVALUATED):
        kind = alone if place in places else next(others)
        # The one whose colours and solids came least so far; of equals the first in the order drawn.
        scene = min(kind, key=lambda scene: sum(said[name] for name in _names(scene)))
        kind[:] = [other for other in kind if other.words != scene.words]
        said.update(_names(scene))
        chosen.append(scene)
    return chosen


def _kinds(scenes: Iterable[Scene]) -> tuple[list[Scene], list[Scene], list[Scene]]:
    """Those of a single solid, with a nose, and stacked."""
    kinds: tuple[list[Scene], list[Scene], list[Scene]] = [], [], []
    for scene in scenes:
        kinds[1 if scene.nose else 2 if scene.below else 0].append(scene)
    return kinds


def _names(scene: Scene) -> list[str]:
    return [name for name in (scene.colour, scene.solid, scene.nose, *(scene.below or ())) if name]


def _lines(items: Sequence[object]) -> bytes:
    return ("\n".join(map(str, items)) + "\n").encode()


def midjourney() -> bytes:
    """Messages of a chat platform: grid and upscales of one job are equal prompts; some lines are broken."""
    draw = Draw("midjourney")
    lines: list[str] = []
    # Leaks: one as it is, one in another order, one behind every kind of decoration.
    alone, nosed, stacked = _kinds(evaluated())
    leaks = [str(alone[0]), str(_turned(stacked[0])), f"https://s.mj.run/Aa0Bb1 {nosed[0]} --ar 1:1"]
    for prompt in [*leaks, *(_decorated(draw) for _ in range(150))]:
        user = _digits(draw, 18)
        for _ in range(1 + draw.chance(0.4) + draw.chance(0.2)):
            tail = draw.one(
                (
                    f"- <@{user}> (fast)",
                    f"- <@{user}> (relaxed, stealth)",
                    f"- Upscaled by <@{user}> (fast)",
                    f"- Upscaled (Beta) by <@!{user}> (fast)",
                    f"- Variations by <@{user}> (turbo)",
                    f"- Variations (Strong) by <@{user}> (relaxed)",
                    f"- Image #{1 + draw.below(4)} <@{user}>",
                    f"- Remix by <@{user}> (fast)",
                )
            )
            message = {"id": _digits(draw, 19), "content": f"**{prompt}** {tail}", "width": 1024, "height": 1024}
            lines.append(json.dumps(message, ensure_ascii=False))
    lines += [
        '{"id": "1", "content": "**a red sphere on a gr',
        '{"id": "2", "width": 1024, "height": 1024}',
        '{"id": "3", "content": null, "width": 1024, "height": 1024}',
        '{"id": "4", "content": 42, "width": 1024, "height": 1024}',
        '{"id": "5", "content": "", "width": 1024, "height": 1024}',
        '{"id": "6", "content": "<https://s.mj.run/Zz9> --v 5", "width": 1024, "height": 1024}',
        "<html>502 Bad Gateway</html>",
    ]
    return ("\n".join(draw.shuffled(lines)) + "\n").encode()


def _turned(scene: Scene) -> Scene:
    """What is below on top."""
    assert scene.below
    colour, solid = scene.below
    return Scene(colour, solid, below=(scene.colour, scene.solid))


def _decorated(draw: Draw) -> str:
    prompt = str(draw.scene())
    if draw.chance(0.15):
        prompt = prompt.upper() if draw.chance(0.3) else prompt.capitalize()
    if draw.chance(0.4):
        prompt += ", " + ", ".join(draw.some(STYLES, 1 + draw.below(3)))
    if draw.chance(0.1):
        prompt += f"::{1 + draw.below(3)}"
    if draw.chance(0.1):
        prompt += draw.one((" by @toymaker_42", " for someone@example.com", " see www.example.org/solids"))
    if draw.chance(0.15):
        prompt = f"/imagine prompt: {prompt}"
    for _ in range(draw.below(3) if draw.chance(0.3) else 0):
        prompt = f"<https://s.mj.run/{_digits(draw, 6)}> {prompt}"
    parameters = (
        "ar 16:9",
        "v 5",
        "v 5.2",
        "q 2",
        "s 750",
        "no text, shadows",
        "style raw",
        "seed 1234",
        "niji 5",
        "tile",
    )
    for parameter in draw.some(parameters, draw.below(4)):
        prompt += " " + draw.one(("--", "--", "--", "—")) + parameter
    return prompt


def captions() -> bytes:
    """A spreadsheet: exact and near duplicates, quotes, cells that broke."""
    draw = Draw("captions")
    rows: list[bytes] = []

    def add(text: str, *more: str) -> None:
        number = str(len(rows) + 1)
        rows.append(",".join((number, text, f"2024-{1 + draw.below(12):02d}", *more)).encode())

    for _ in range(130):
        scene = draw.scene()
        text = f"{scene} {draw.one(PLACES)}"
        add(f'"{text}, {draw.one(STYLES)}"' if draw.chance(0.5) else text)
        if draw.chance(0.2):
            add(draw.one((text, text.upper(), f"  {text}.", text.replace(" ", "  "))))
        if draw.chance(0.2):
            add(draw.one((_with_typo(text, draw), text.removeprefix("a "), f'"{text}, nice"')))
    add('"the word ""cube"" on a red cube"')
    add("a green cube, without quotes", "extra")
    rows.append(b"900")
    rows.append(b'901,"a blue cube that never ends,2024-05')
    rows.append("902,un cône doré,2024-06".encode("latin-1"))
    rows.append(b"903,,2024-07")
    return b"id,caption,month\n" + b"\n".join(draw.shuffled(rows)) + b"\n"


def _with_typo(text: str, draw: Draw) -> str:
    """Two neighbouring letters of the last word exchanged."""
    at = len(text) - 2 - draw.below(2)
    return text[: at - 1] + text[at] + text[at - 1] + text[at + 1 :]


def renders() -> pa.Table:
    """Settings of a local generator: prompt, seed, steps, guidance."""
    draw = Draw("renders")
    prompts: list[str | None] = []
    for _ in range(150):
        scene = str(draw.scene())
        style = draw.one(STYLES)
        prompts.append(draw.one((scene, f"({scene}:1.2), {style}", f"{style} of {scene}", f"{scene}, {style}")))
    prompts[17] = prompts[91] = None
    count = len(prompts)
    return pa.table(
        {
            "prompt": pa.array(prompts, pa.string()),
            "seed": pa.array([draw.below(2**31) for _ in range(count)], pa.int64()),
            "steps": pa.array([draw.one((20, 30, 50)) for _ in range(count)], pa.int32()),
            "sampler": pa.array([draw.one(("euler", "ddim", "dpm++")) for _ in range(count)], pa.string()),
        }
    )


def languages() -> bytes:
    """Prompts in seven languages, with the language that their author stated."""
    draw = Draw("languages")
    rows = [{"prompt": _translated(code, draw), "lang": code} for code in LANGUAGES for _ in range(16)]
    return (json.dumps(draw.shuffled(rows), ensure_ascii=False, indent=1) + "\n").encode()


def _translated(code: str, draw: Draw) -> str:
    colours, solids, alone, stacked = LANGUAGES[code]
    while True:
        colour, other = draw.some(list(colours), 2)
        solid, below = draw.one(list(solids)), draw.one(list(solids))
        is_stacked = draw.chance(0.5)
        if Scene(colour, solid, below=(other, below) if is_stacked else None).is_held_out:
            continue
        things = [_named(code, colours[c], solids[s]) for c, s in ((colour, solid), (other, below))]
        return (stacked if is_stacked else alone).format(*things)


def _named(code: str, colour: str, solid: str) -> str:
    gap = "" if code in _UNSPACED else " "
    return gap.join((solid, colour) if code in _NOUN_FIRST else (colour, solid))


def _digits(draw: Draw, count: int) -> str:
    return str(1 + draw.below(9)) + "".join(str(draw.below(10)) for _ in range(count - 1))


FILES: dict[str, Callable[[], bytes]] = {
    "solids.txt": solids,
    "midjourney.jsonl": midjourney,
    "captions.csv": captions,
    "languages.json": languages,
    "evaluation.txt": evaluation,
}


def make_samples(folder: Path) -> None:
    """Write every file into `folder`."""
    for name, content in FILES.items():
        (folder / name).write_bytes(content())
    pq.write_table(renders(), folder / "renders.parquet")


if __name__ == "__main__":
    make_samples(Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER)
