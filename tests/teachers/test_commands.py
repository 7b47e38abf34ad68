"""`prd teachers …`: looking at teachers, timing them, putting them through the contract."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

from flows.cli import app
from infra.errors import InputError
from teachers.contact_sheet import contact_sheet


def prd(*arguments: str) -> str:
    return CliRunner().invoke(app, ["teachers", *arguments], catch_exceptions=False).stdout


def test_preview_shows_every_teacher(home, tmp_path):
    out = tmp_path / "new" / "sheet.png"
    assert prd("preview", "a red cube", "红 <b>", "--steps", "2", "--out", str(out)) == f"{out}\n"
    with Image.open(out) as sheet:
        assert sheet.width > 4 * 160 and sheet.height > 2 * 3 * 160
    with pytest.raises(InputError, match="abacus"):
        prd("preview", "a red cube", "--device", "abacus")


def test_a_sheet_has_its_pictures_where_they_belong():
    red, green = torch.tensor([255, 0, 0]), torch.tensor([0, 255, 0])
    one = torch.stack([red, green]).to(torch.uint8).view(2, 1, 1, 1, 3).expand(2, 1, 8, 8, 3)  # of each prompt
    four = one.flip(0).expand(2, 4, 8, 8, 3)
    sheet = contact_sheet(["first " * 100, "second"], {"one": one, "four": four})
    colours = [colour for _, colour in sorted(sheet.getcolors(2**20) or [], reverse=True)]
    assert {(255, 0, 0), (0, 255, 0)} <= set(colours[:4])
    left = [sheet.getpixel((88, y)) for y in range(sheet.height)]
    seen = [colour for number, colour in enumerate(left) if number == 0 or colour != left[number - 1]]
    strong = [colour for colour in seen if colour in ((255, 0, 0), (0, 255, 0))]
    assert strong == [(255, 0, 0), (0, 255, 0), (0, 255, 0), (255, 0, 0)]


def test_bench_times_them(home):
    lines = prd("bench", "--calls", "1", "--prompts", "1", "teachers.mvdream=null").splitlines()
    assert [line.split("\t")[0] for line in lines] == ["teacher", "stable_diffusion", "richdreamer"]
    assert all(float(value) > 0 for line in lines[1:] for value in line.split("\t")[1:4])


def test_check_says_what_is_broken(home):
    assert prd("check", "teachers.mvdream=null").splitlines() == [
        "stable_diffusion: keeps the contract",
        "richdreamer: keeps the contract",
    ]
    careless = ["teachers.mvdream=null", "teachers.stable_diffusion.kind=specimens:Careless"]
    with pytest.raises(InputError, match="breaches of the contract"):
        prd("check", *careless)


def test_a_teacher_of_ones_own_is_found_in_the_working_directory(home, tmp_path):
    """By the command as it is installed, whose own folder comes first in Python's path."""
    (tmp_path / "mine.py").write_text("from specimens import Plain as Mine\n")
    (tmp_path / "mine.yaml").write_text(
        "name: mine\nextends: miniature\nteachers:\n  stable_diffusion: null\n  mvdream: null\n  richdreamer: null\n"
        "  mine: {kind: 'mine:Mine', weights: miniature/mvdream, resolution: 8, guidance_scale: 1}\n"
    )
    command = [Path(sys.executable).with_name("prd"), "teachers", "check", "--recipe", "mine.yaml"]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent)}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120)
    assert done.stdout == "mine: keeps the contract\n", done.stderr
