"""A training that was killed ends like one that was not."""

import json
import os
import random
import signal

from safetensors.torch import load_file

from tests.faults.conftest import wait_until


def launcher_of(place) -> int:
    """Process id of the launcher, the leader of the training's session."""
    (found,) = (process for process in place.processes() if "prd.launch" in process.cmdline())
    return found.pid


def steps_on_record(place) -> list[int]:
    return [json.loads(line)["step"] for line in (place.run / "metrics.jsonl").read_text().splitlines()]


def test_killed_and_resumed_training_has_the_same_weights(workplace):
    whole = workplace("whole")
    status, output = whole.finish("train")
    assert status == 0, output

    broken = workplace("broken")
    first = broken.start("train")
    kill_at = random.SystemRandom().randint(1, 4)
    wait_until(lambda: broken.saved_step() >= kill_at, first)
    os.killpg(launcher_of(broken), signal.SIGKILL)
    output, _ = first.communicate(timeout=60)
    assert first.returncode == 7 and "Traceback" not in output, output
    wait_until(lambda: not broken.processes(), seconds=30)
    reached = broken.step()
    assert reached < 6

    status, output = broken.finish("train")
    assert status == 0, output
    provenance = json.loads((broken.run / "provenance.json").read_text())
    assert kill_at <= provenance["resumed_from_step"] <= reached, f"killed at {kill_at}"
    assert steps_on_record(broken) == steps_on_record(whole) == [1, 2, 3, 4, 5, 6]

    last = "checkpoints/step-000006/adapter.safetensors"
    expected, found = load_file(whole.run / last), load_file(broken.run / last)
    assert expected.keys() == found.keys()
    for name, tensor in expected.items():
        assert tensor.equal(found[name]), f"{name}, killed at {kill_at}"
