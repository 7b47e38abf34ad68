"""`prd generate` on a generator that was never trained: what it writes, says and survives."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import trimesh
from PIL import Image
from pxr import Usd
from typer.testing import CliRunner

from flows.cli import app
from flows.recipe import read_recipe
from infra.artifacts import folder_lock
from infra.errors import BusyError, InputError, MissingError, PartialError
from infra.progress import console
from prd.config import GeneratorConfig

STAGES = ["encode", "denoise", "decode", "field", "surface", "colour"]
HOSTILE = [
    "../../escaped",
    "/etc/passwd",
    "<script>alert(1)</script>",
    "\x1b[31mred\x1b[0m\x07 cube",
    "红色的立方体 на синем цилиндре 🟥",
    "a red cube " * 5000,
    "not UTF-8: \udcff",
    "'; rm -rf * #",
]


@pytest.fixture(scope="module")
def small() -> GeneratorConfig:
    return read_recipe("miniature", ["generator.surface_resolution=16"]).generator


@pytest.fixture
def checkpoint(publish_untrained, small) -> Path:
    return publish_untrained(small, 5)


@pytest.fixture
def generate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[list[str], str]]:
    """Run the command in an empty folder; standard output by lines, and standard error, come back."""
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)

    def call(checkpoint: Path, *arguments: str) -> tuple[list[str], str]:
        with console.capture() as messages:
            done = CliRunner().invoke(app, ["generate", "--checkpoint", str(checkpoint), *arguments])
        if done.exception is not None:
            raise done.exception
        return done.stdout.splitlines(), messages.get()

    return call


def index_of(folder: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (Path(folder) / "index.jsonl").read_text(encoding="utf-8").splitlines()]


def files_in(folder: str) -> list[str]:
    return sorted(path.name for path in Path(folder).iterdir() if not path.name.startswith("."))


def test_one_prompt_is_one_file(checkpoint, generate):
    printed, messages = generate(checkpoint, "a red cube")
    assert printed == ["mesh.glb"] and [path.name for path in Path().iterdir()] == ["mesh.glb"]
    assert trimesh.load("mesh.glb", force="mesh").is_watertight
    assert all(f"{stage} " in messages for stage in [*STAGES, "export"])


def test_prompts_and_seeds_fill_a_folder(checkpoint, generate):
    Path("more.txt").write_text("a blue ball\n\n  a green   torus\n")
    arguments = ("a red cube", "--prompts", "more.txt", "--seed", "1", "--seed", "2", "--batch-size", "4")
    printed, messages = generate(checkpoint, *arguments, "--out", "made")
    names = [f"{number:04d}-seed-{seed}.glb" for number in range(3) for seed in (1, 2)]
    assert printed == [f"made/{name}" for name in names]
    assert files_in("made") == [*names, "index.jsonl"]
    index = index_of("made")
    assert [line["file"] for line in index] == names
    asked = ["a red cube", "a blue ball", "a green torus"]
    assert [(line["prompt"], line["seed"]) for line in index] == [(prompt, seed) for prompt in asked for seed in (1, 2)]
    assert "6 objects: " in messages
    for line in index:
        mesh = trimesh.load(Path("made") / line["file"], force="mesh", process=False)
        assert (len(mesh.vertices), len(mesh.faces)) == (line["vertices"], line["faces"])
        assert list(line["seconds"]) == [*STAGES, "export"] and not line["warnings"]

    generate(checkpoint, *arguments, "--out", "again")
    contents = [(Path("made") / name).read_bytes() for name in names]
    assert contents == [(Path("again") / name).read_bytes() for name in names], "the same, given the same"
    assert len(set(contents)) == 6


def test_everything_at_once(checkpoint, generate):
    options = ("--format", "usdz", "--texture", "64", "--clean", "--faces", "100", "--turntable", "png")
    printed, _ = generate(checkpoint, "a red cube", *options, "--resolution", "24", "--out", "made")
    assert printed == ["made/0000.usdz"]
    assert Usd.Stage.Open("made/0000.usdz").GetDefaultPrim().IsValid()
    (line,) = index_of("made")
    assert 90 <= line["faces"] <= 100 and line["turntable"] == "0000-turntable.png"
    assert Image.open("made/0000-turntable.png").size == (2048, 256)
    assert list(line["seconds"]) == [*STAGES, "clean", "decimate", "export", "turntable"]


def test_obj_has_its_texture_without_asking(checkpoint, generate):
    generate(checkpoint, "a red cube", "--out", "cube.obj", "--resolution", "8")
    assert sorted(path.name for path in Path().iterdir()) == ["cube.mtl", "cube.obj", "cube.png"]
    assert Image.open("cube.png").size == (1024, 1024)


def test_hostile_prompts_are_only_text(checkpoint, generate, tmp_path):
    printed, messages = generate(checkpoint, *HOSTILE, "--out", "made")
    assert printed == [f"made/{number:04d}.glb" for number in range(len(HOSTILE))]
    assert [path.name for path in (tmp_path / "here").iterdir()] == ["made"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["here", "home"]
    index = index_of("made")
    assert index[0]["prompt"] == "../../escaped" and index[2]["prompt"] == "<script>alert(1)</script>"
    assert index[4]["prompt"] == HOSTILE[4] and index[6]["prompt"] == "not UTF-8: ?"
    raw = (Path("made") / "index.jsonl").read_bytes()
    assert b"\x1b" not in raw + messages.encode() and b"\\u001b" not in raw
    cut = [number for number, line in enumerate(index) if line["warnings"]]
    assert 5 in cut and 0 not in cut and "its end was not read" in index[5]["warnings"][0]


@pytest.mark.parametrize("prompt", ["", "  \t\n", "\u200b\u00a0", "\x00\x1b"])
def test_a_prompt_that_says_nothing_is_refused_before_any_work(generate, checkpoint, prompt):
    with pytest.raises(InputError, match="prompt 2 is empty"):
        generate(checkpoint, "a red cube", prompt, "--out", "made")
    assert not list(Path().iterdir())


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--out", "mesh.stl"), r"known format"),
        (("--format", "fbx"), r"--format fbx is not known"),
        (("--out", "mesh.glb", "--format", "obj"), r"two things"),
        (("--out", "mesh.ply", "--texture", "64"), r"does not go with PLY"),
        (("--turntable", "avi"), r"--turntable avi is not known"),
        (("--device", "abacus"), r"device abacus cannot be used"),
        (("--out", "mesh.glb", "--seed", "1", "--seed", "2"), r"one file for 2 objects"),
    ],
)
def test_what_cannot_be_is_refused(generate, checkpoint, arguments, says):
    with pytest.raises(InputError, match=says):
        generate(checkpoint, "a red cube", *arguments)


def test_a_place_that_cannot_be_written_is_named(generate, checkpoint):
    Path("file").write_text("")
    Path("made/index.jsonl").mkdir(parents=True)
    Path("full/0001.glb").mkdir(parents=True)
    for out, culprit in (("file/made", "file/made"), ("made", "made/index.jsonl"), ("full", "full/0001.glb")):
        with pytest.raises(MissingError, match=culprit):
            generate(checkpoint, "a red cube", "a blue ball", "--out", out)
    assert len(index_of("full")) == 1, "what was made before stays"


def test_a_folder_of_other_objects_is_kept(generate, checkpoint):
    generate(checkpoint, "a red cube", "a blue ball", "--out", "made")
    index = Path("made/index.jsonl").read_text()
    with pytest.raises(InputError, match="other objects"):
        generate(checkpoint, "a green torus", "a blue ball", "--out", "made")
    with pytest.raises(InputError, match="abacus"):
        generate(checkpoint, "a red cube", "a blue ball", "--out", "made", "--resolution", "8", "--device", "abacus")
    assert Path("made/index.jsonl").read_text() == index


def test_what_is_there_already_is_not_made_again(generate, checkpoint):
    asked = ("a red cube", "a blue ball", "a green torus", "--out", "made", "--format", "obj", "--texture", "64")
    _, messages = generate(checkpoint, *asked, "--turntable", "png")
    assert "loading" in messages and "objects are there" not in messages
    whole = index_of("made")
    times = {name: (Path("made") / name).stat().st_mtime_ns for name in files_in("made")}
    printed, messages = generate(checkpoint, *asked, "--turntable", "png")
    assert len(printed) == 3 and "3 of 3 objects are there already" in messages and "loading" not in messages
    assert {name: (Path("made") / name).stat().st_mtime_ns for name in files_in("made")} == times

    # As a kill leaves it: the second object gone, the third line cut short.
    lines = Path("made/index.jsonl").read_text().splitlines(keepends=True)
    Path("made/index.jsonl").write_text(lines[0] + lines[1] + lines[2][:20])
    Path("made/0001.obj").unlink()
    printed, messages = generate(checkpoint, *asked, "--turntable", "png")
    assert sorted(printed) == ["made/0000.obj", "made/0001.obj", "made/0002.obj"]
    assert "1 of 3 objects are there already" in messages
    assert [line["file"] for line in index_of("made")] == [line["file"] for line in whole]
    assert (Path("made") / "0000.obj").stat().st_mtime_ns == times["0000.obj"]

    generate(checkpoint, *asked)  # otherwise than before: nothing of the other call stays beside it
    assert files_in("made") == [f"{n:04d}.{kind}" for n in range(3) for kind in ("mtl", "obj", "png")] + ["index.jsonl"]


def test_what_is_not_ours_stays(generate, publish_untrained, small, monkeypatch):
    """A folder that was there before, with files of like names; objects are made in it, or fail."""
    checkpoint = publish_untrained(small, 5)
    Path("made").mkdir()
    for name in ("0000.png", "0000-turntable.gif", "0001.png", "0001.blend"):
        (Path("made") / name).write_text("mine")
    generate(checkpoint, "a red cube", "a blue ball", "--out", "made")
    generate(checkpoint, "a red cube", "a blue ball", "--out", "made", "--resolution", "8", "--format", "glb")
    for name in ("0000.png", "0000-turntable.gif", "0001.png", "0001.blend"):
        assert (Path("made") / name).read_text() == "mine"
    Path("other").mkdir()
    Path("other/0000.png").write_text("mine")
    monkeypatch.setattr("prd.inference.why_unusable", lambda _: "spoilt")
    with pytest.raises(PartialError):
        generate(checkpoint, "a red cube", "a blue ball", "--out", "other")
    assert files_in("other") == ["0000.png", "index.jsonl"]
    assert Path("other/0000.png").read_text() == "mine"


def test_two_calls_do_not_write_to_one_folder(generate, checkpoint):
    Path("made").mkdir()
    with folder_lock(Path("made/index")), pytest.raises(BusyError):
        generate(checkpoint, "a red cube", "a blue ball", "--out", "made")


def test_memory_that_runs_out_is_named(generate, checkpoint, monkeypatch):
    from prd.generator import TriplaneGenerator

    def full(*_):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")

    with monkeypatch.context() as patch, pytest.raises(InputError, match="2 objects at once do not fit") as raised:
        patch.setattr(TriplaneGenerator, "denoise", full)
        generate(checkpoint, "a red cube", "a blue ball", "--out", "made")
    assert "--batch-size" in raised.value.hint
    monkeypatch.setattr("prd.inference.query_grid", full)
    with pytest.raises(PartialError, match="a grid of 16³ does not fit cpu's memory; lower --resolution"):
        generate(checkpoint, "a red cube", "--out", "made")


def test_the_newest_checkpoint_is_taken_unless_told(generate, checkpoint, home, publish_untrained, small):
    with pytest.raises(MissingError, match="no run has been trained here"):
        CliRunner().invoke(app, ["generate", "a red cube"], catch_exceptions=False)
    for number, run in enumerate(("second", "first")):
        folder = home / "training" / run / "checkpoints"
        shutil.copytree(checkpoint, folder / "step-000000")
        os.utime(folder / "step-000000" / "manifest.json", (1e9 - number, 1e9 - number))
    with console.capture() as messages:
        done = CliRunner().invoke(app, ["generate", "a red cube"], catch_exceptions=False)
    assert done.stdout == "mesh.glb\n" and "/second/checkpoints/step-000000" in messages.get().replace("\n", "")


def test_the_base_may_be_loaded_in_another_precision(generate, checkpoint):
    generate(checkpoint, "a red cube", "--out", "whole.glb")
    generate(checkpoint, "a red cube", "--out", "half.glb", "--precision", "bf16")
    whole, half = (trimesh.load(name, force="mesh", process=False) for name in ("whole.glb", "half.glb"))
    assert Path("whole.glb").read_bytes() != Path("half.glb").read_bytes()
    assert abs(half.volume - whole.volume) < 0.05 * whole.volume


def test_a_surface_that_vanished_is_warned_of_and_counted(generate, publish_untrained, small):
    """The field is negative everywhere: deeper in the sphere than the head could ever say."""
    checkpoint = publish_untrained(small.model_copy(update={"sphere_radius": 50.0}), 5)
    printed, messages = generate(checkpoint, "a red cube", "a blue ball", "--out", "made")
    assert len(printed) == 2 and "2 of 2 objects had no surface of their own" in messages
    assert all("no surface of its own" in line["warnings"][0] for line in index_of("made"))
    assert all(trimesh.load(path, force="mesh").is_watertight for path in printed)

    from evaluation.gallery import GeneratedMesh
    from prd.inference import TextToMesh

    (made,) = TextToMesh.from_checkpoint(checkpoint).generate(["a red cube"])
    judged = GeneratedMesh.of(made)
    assert judged.mesh is None and "no surface of its own" in judged.reason


def test_one_failure_does_not_end_the_rest(generate, checkpoint, monkeypatch):
    """The planes of the second of three prompts have one value that is not a number."""
    from prd.generator import TriplaneGenerator

    decode = TriplaneGenerator.decode

    def spoilt(self, latents):
        planes = decode(self, latents)
        planes[1, 0, 0, 3, 3] = torch.nan
        return planes

    monkeypatch.setattr(TriplaneGenerator, "decode", spoilt)
    with pytest.raises(PartialError, match="1 of 3 objects could not be made: its field has values that are not"):
        generate(checkpoint, "a red cube", "a blue ball", "a green torus", "--out", "made")
    assert files_in("made") == ["0000.glb", "0002.glb", "index.jsonl"]
    files, failures = zip(*((line["file"], line["failure"]) for line in index_of("made")), strict=True)
    assert files == ("0000.glb", None, "0002.glb")
    assert failures == (None, "its field has values that are not finite", None)
