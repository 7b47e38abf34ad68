"""A teacher whose process is killed again and again costs time, and nothing else."""

import json
import os
import random
import signal
import time

import psutil
import pytest
from safetensors.torch import load_file

from tests.faults.conftest import Workplace, wait_until

KILLS = int(os.environ.get("PRD_TEST_KILLS", "2"))
"""Each costs the seconds that a new process needs to start. PRD_TEST_KILLS=10 is the full proof."""
ITERATIONS = 4 * KILLS
OPTIONS = (f"train.iterations={ITERATIONS}", f"train.checkpoint_every={ITERATIONS}")
LAST = f"checkpoints/step-{ITERATIONS:06d}/adapter.safetensors"


def teacher_of(place: Workplace) -> psutil.Process | None:
    for process in place.processes():
        try:
            if process.cmdline()[:1] and process.cmdline()[0].startswith("ray::TeacherActor"):
                return process
        except psutil.NoSuchProcess:
            continue
    return None


@pytest.mark.timeout(900)
def test_kills_change_nothing(workplace):
    whole = workplace("whole", placement="{cpus: 1}")
    status, output = whole.finish("train", *OPTIONS)
    assert status == 0, output

    broken = workplace("broken", placement="{cpus: 1}")
    training = broken.start("train", *OPTIONS)
    wait_until(lambda: broken.step() >= 1, training)
    chance = random.SystemRandom()
    moments = []
    for kill in range(KILLS):
        wait_until(lambda: teacher_of(broken) is not None, training)
        # From the first moments of its life, when it loads its weights, to long after its first answers.
        time.sleep(chance.uniform(0.0, 2.0))
        found = teacher_of(broken)
        if found is None:
            continue
        reached = broken.step()
        os.kill(found.pid, signal.SIGKILL)
        moments.append((kill, reached))
        # A call may be lost a few times; between two kills some are answered, as between two real failures.
        wait_until(lambda before=reached: broken.step() > before or training.poll() is not None)
        if training.poll() is not None:
            break
    output, _ = training.communicate(timeout=240)
    assert training.returncode == 0, f"{moments}\n{output}"
    assert len(moments) == KILLS, f"the training ended before the last kill: {moments}"
    numbers = [
        [{key: value for key, value in json.loads(line).items() if key != "seconds"} for line in text.splitlines()]
        for text in ((place.run / "metrics.jsonl").read_text() for place in (whole, broken))
    ]
    assert numbers[0] == numbers[1], moments
    expected, found = load_file(whole.run / LAST), load_file(broken.run / LAST)
    assert expected.keys() == found.keys()
    for name, tensor in expected.items():
        assert tensor.equal(found[name]), f"{name}, killed at {moments}"
