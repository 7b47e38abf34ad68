"""Teachers in this process and in actors of a real Ray: equal answers, also when an actor is lost on the way."""

import pickle
from dataclasses import replace
from pathlib import Path

import pytest
import ray
import torch
from specimens import request_for

from infra.errors import MissingError, RecipeError, TrainingError
from teachers import pool as pool_module
from teachers.pool import TeacherPool

ACTOR = {"cpus": 0.25}


@pytest.fixture(scope="module")
def cluster():
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(Path(__file__).parent))  # where Ray's processes find `specimens`
        ray.init(address="local", num_cpus=2, include_dashboard=False, object_store_memory=100 * 2**20)
        yield
        ray.shutdown()


def answers(pool, seeds=(11, 12, 13)):
    """Name and seed → reply, all asked for before the first is read."""
    pending = {
        (name, seed): pool.submit(name, request_for(spec, seed=seed))
        for seed in seeds
        for name, spec in pool.specs.items()
    }
    return {key: reply.result() for key, reply in pending.items()}


def assert_same(actual, expected):
    assert actual.keys() == expected.keys()
    for key, reply in expected.items():
        largest = reply.gradient.abs().max().item()
        # Not bit by bit: an actor may have another number of threads.
        torch.testing.assert_close(actual[key].gradient, reply.gradient, rtol=0, atol=1e-4 * largest)
        assert actual[key].metrics == pytest.approx(reply.metrics, rel=1e-3)


def test_local_and_actors_agree_and_a_lost_actor_is_asked_again(cluster, configure):
    sections = {
        "mv": configure("mvdream"),
        "rd": configure("richdreamer", shift=0.1),
        "sd": configure("stable_diffusion"),
    }
    with TeacherPool.start(sections) as local:
        expected = answers(local)

    remote = {name: section.model_copy(update={"placement": ACTOR}) for name, section in sections.items()}
    remote = {name: type(section).model_validate(section.model_dump()) for name, section in remote.items()}
    with TeacherPool.start(remote) as pool:
        assert pool.specs == local.specs
        pool.wait_ready()
        assert_same(answers(pool), expected)

        pending = {seed: pool.submit("rd", request_for(pool.specs["rd"], seed=seed)) for seed in (11, 12, 13)}
        ray.kill(pool._actors["rd"][0], no_restart=False)
        lost = {("rd", seed): reply.result() for seed, reply in pending.items()}
        assert_same(lost, {key: reply for key, reply in expected.items() if key[0] == "rd"})


def test_pool_in_another_process_and_calls_spread_over_replicas(cluster, configure):
    section = configure("specimens:Plain", placement={**ACTOR, "replicas": 2})

    @ray.remote(num_cpus=0.25)
    def ask(pool):
        return answers(pool, seeds=range(4))

    with TeacherPool.start({"own": section}) as pool:
        replies = ray.get(ask.remote(pool))
        for (_, seed), reply in replies.items():
            assert torch.equal(reply.gradient, request_for(pool.specs["own"], seed=seed).pixels - seed)
        pids = [reply.metrics["pid"] for reply in replies.values()]
        assert pids[0] == pids[2] != pids[1] == pids[3]


def test_every_failure_of_an_actor_has_its_own_message(cluster, configure, home, monkeypatch):
    monkeypatch.setattr(pool_module, "REPEATS", 1)
    sections = {
        "gone": configure("mvdream", weights="miniature/none", placement=ACTOR),
        "nan": configure("specimens:NotFinite", placement=ACTOR),
        "bug": configure("specimens:Broken", placement=ACTOR),
        "dead": configure("specimens:Deadly", placement=ACTOR),
    }
    with TeacherPool.start(sections) as pool:
        with pytest.raises(MissingError, match="the weights 'miniature/none' are not here") as missing:
            pool.wait_ready()
        assert missing.value.__cause__ is None
        pending = {name: pool.submit(name, request_for(spec)) for name, spec in pool.specs.items()}
        with pytest.raises(MissingError, match="the weights 'miniature/none' are not here"):
            pending["gone"].result()
        with pytest.raises(TrainingError, match="teacher 'nan' returned a gradient with values that are not finite"):
            pending["nan"].result()
        with pytest.raises(TrainingError, match=r"teacher 'bug' failed: ZeroDivisionError\('a bug'\)"):
            pending["bug"].result()
        with pytest.raises(TrainingError, match="teacher 'dead' stayed away after 1 repeats") as stayed_away:
            pending["dead"].result()
        assert "resumed from its last checkpoint" in stayed_away.value.hint


def test_a_reply_is_read_once(cluster, configure):
    with TeacherPool.start({"own": configure("specimens:Plain", placement=ACTOR)}) as pool:
        reply = pool.submit("own", request_for(pool.specs["own"]))
        reply.result()
        with pytest.raises(RuntimeError, match="read once"):
            reply.result()
    pool.close()


def test_local_teachers_need_no_ray_and_stay_out_of_the_pickle(configure):
    pool = TeacherPool.start({"rd": configure("richdreamer")})
    pool.wait_ready()
    request = request_for(pool.specs["rd"])
    before = len(pickle.dumps(pool))
    reply = pool.submit("rd", request).result()
    pickled = pickle.dumps(pool)
    assert len(pickled) == before
    again = pickle.loads(pickled).submit("rd", request).result()
    assert torch.equal(again.gradient, reply.gradient)


def test_relative_weights_are_found_from_another_working_directory(configure, miniature, tmp_path, monkeypatch):
    monkeypatch.chdir(miniature.parent)
    pool = TeacherPool.start({"rd": configure("richdreamer", weights=f"{miniature.name}/richdreamer")})
    monkeypatch.chdir(tmp_path)
    assert pool.submit("rd", request_for(pool.specs["rd"])).result().gradient.norm() > 0


def test_local_failures(configure, home):
    pool = TeacherPool.start(
        {"gone": configure("mvdream", weights="miniature/none"), "nan": configure("specimens:NotFinite")}
    )
    with pytest.raises(MissingError):
        pool.submit("gone", request_for(pool.specs["gone"])).result()
    request = request_for(pool.specs["nan"])
    with pytest.raises(TrainingError, match="teacher 'nan'"):
        pool.submit("nan", replace(request, seed=1)).result()


def test_unknown_kind_is_refused_before_anything_starts(configure):
    with pytest.raises(RecipeError, match="there is no kind"):
        TeacherPool.start({"mv": configure("mvdraem", placement=ACTOR)})
