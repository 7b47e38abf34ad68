"""Tensors that go straight from process to process: the same answers, also when an actor is lost with them."""

import os
from pathlib import Path

import pytest
import ray
import torch
from specimens import request_for

from infra.errors import MissingError, RecipeError
from teachers import pool as pool_module
from teachers import replies
from teachers.pool import TeacherPool

DIRECT = {"cpus": 0.25, "transport": "direct"}
SEEDS = (11, 12, 13)


def test_the_package_it_needs_is_named(configure, monkeypatch):
    monkeypatch.setattr(pool_module, "find_spec", lambda _: None)
    with pytest.raises(RecipeError, match=r"teachers.rd.placement.transport: direct needs nixl"):
        TeacherPool.start({"rd": configure("richdreamer", placement=DIRECT)})


@pytest.fixture(scope="module")
def cluster():
    pytest.importorskip("nixl", reason="needs nixl: pip install '.[cuda]'")
    with pytest.MonkeyPatch.context() as patch:
        paths = [str(Path(__file__).parent), *filter(None, [os.environ.get("PYTHONPATH")])]
        patch.setenv("PYTHONPATH", os.pathsep.join(paths))
        ray.init(address="local", num_cpus=2, include_dashboard=False, object_store_memory=100 * 2**20)
        yield
        ray.shutdown()


@ray.remote(num_cpus=0.25)
class Worker:
    """A training process: only actors send tensors directly."""

    def answers(self, pool: TeacherPool, name: str, kill_first: bool) -> dict[int, torch.Tensor]:
        replies._DIRECT_PATIENCE_SECONDS = 20.0
        pending = {seed: pool.submit(name, request_for(pool.specs[name], seed=seed)) for seed in SEEDS}
        assert {type(reply) for reply in pending.values()} == {replies.DirectReply}
        if kill_first:
            ray.wait([pending[SEEDS[0]]._answer], fetch_local=False)  # it is there, and about to be lost
            ray.kill(pool._actors[name][0], no_restart=False)
        return {seed: reply.result().gradient for seed, reply in pending.items()}


@pytest.mark.parametrize("kill_first", [False, True])
def test_answers_are_those_of_a_local_teacher(cluster, configure, kill_first):
    with TeacherPool.start({"rd": configure("richdreamer")}) as local:
        spec = local.specs["rd"]
        expected = {seed: local.submit("rd", request_for(spec, seed=seed)).result().gradient for seed in SEEDS}
    with TeacherPool.start({"rd": configure("richdreamer", placement=DIRECT)}) as pool:
        pool.wait_ready()
        found = ray.get(Worker.remote().answers.remote(pool, "rd", kill_first), timeout=200)
        assert all(torch.equal(found[seed], expected[seed]) for seed in SEEDS)
        # A process that is no actor asks through the store.
        assert torch.equal(pool.submit("rd", request_for(spec, seed=11)).result().gradient, expected[11])


def test_errors_arrive_as_they_are(cluster, configure):
    gone = configure("richdreamer", weights="miniature/none", placement=DIRECT)

    @ray.remote(num_cpus=0.25)
    class Asker:
        def ask(self, pool: TeacherPool) -> str:
            with pytest.raises(MissingError) as raised:
                pool.submit("rd", request_for(pool.specs["rd"])).result()
            return raised.value.message

    with TeacherPool.start({"rd": gone}) as pool:
        assert "miniature/none" in ray.get(Asker.remote().ask.remote(pool), timeout=120)
