"""Finished work: whole or not at all, once, by one process, and redone when it is damaged."""

import multiprocessing

import pytest

from infra.artifacts import finish, folder_lock, is_finished, read_manifest
from infra.errors import BusyError, MissingError


def build(staging):
    (staging / "sub").mkdir()
    (staging / "sub" / "data.txt").write_text("content")
    return {"rows": 1}


INPUTS = {"source": "abc"}


def test_built_once(tmp_path):
    folder = tmp_path / "out"
    assert finish(folder, kind="test", inputs=INPUTS, build=build)
    assert not finish(folder, kind="test", inputs=INPUTS, build=build)
    manifest = read_manifest(folder)
    assert manifest.facts == {"rows": 1} and list(manifest.outputs) == ["sub/data.txt"]


@pytest.mark.parametrize("damage", ["change", "remove", "manifest", "other inputs"])
def test_redone_when_not_whole(tmp_path, damage):
    folder = tmp_path / "out"
    finish(folder, kind="test", inputs=INPUTS, build=build)
    data = folder / "sub" / "data.txt"
    if damage == "change":
        data.write_text("kontent")
    elif damage == "remove":
        data.unlink()
    elif damage == "manifest":
        (folder / "manifest.json").write_text("{")
    inputs = {"source": "abd"} if damage == "other inputs" else INPUTS
    assert not is_finished(folder, inputs)
    assert finish(folder, kind="test", inputs=inputs, build=build)
    assert data.read_text() == "content" and is_finished(folder, inputs)


def test_a_failed_build_leaves_what_was_there(tmp_path):
    folder = tmp_path / "out"
    finish(folder, kind="test", inputs=INPUTS, build=build)

    def fail(staging):
        (staging / "half").write_text("…")
        raise RuntimeError("no")

    with pytest.raises(RuntimeError):
        finish(folder, kind="test", inputs={"source": "new"}, build=fail)
    assert is_finished(folder, INPUTS)


def test_a_folder_without_a_manifest_is_named(tmp_path):
    (tmp_path / "bare").mkdir()
    with pytest.raises(MissingError, match="never finished"):
        read_manifest(tmp_path / "bare")
    with pytest.raises(MissingError, match="no folder"):
        read_manifest(tmp_path / "absent")


def hold(folder, ready, release):
    with folder_lock(folder):
        ready.set()
        release.wait(60)


def test_two_processes_never_build_the_same(tmp_path):
    folder = tmp_path / "out"
    context = multiprocessing.get_context("spawn")
    ready, release = context.Event(), context.Event()
    holder = context.Process(target=hold, args=(folder, ready, release))
    holder.start()
    assert ready.wait(60)
    with pytest.raises(BusyError):
        finish(folder, kind="test", inputs=INPUTS, build=build)
    holder.kill()  # its lock ends with it
    holder.join()
    assert finish(folder, kind="test", inputs=INPUTS, build=build)
