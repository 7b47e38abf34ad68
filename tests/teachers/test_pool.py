"""Teachers in this process and in actors of a real Ray: equal answers, also when an actor is lost on the way."""

import pickle
from pathlib import Path

import pytest
import ray
import torch
from specimens import request_for

from infra.errors import MissingError, RecipeError, TrainingError
from teachers import pool as pool_module
from teachers import replies
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
    """To the last bit: all sides compute with one thread."""
    assert torch.get_num_threads() == 1
    assert actual.keys() == expected.keys()
    for key, reply in expected.items():
        assert torch.equal(actual[key].gradient, reply.gradient), key
        assert actual[key].metrics == reply.metrics


def test_local_and_actors_agree_and_a_lost_actor_is_asked_again(cluster, configure):
    # Stable Diffusion takes the same road as MVDream; each actor costs seconds of imports.
    changes = {"mvdream": {}, "richdreamer": {"shift": 0.1}}
    with TeacherPool.start({kind: configure(kind, **more) for kind, more in changes.items()}) as local:
        expected = answers(local)

    seats = {"mvdream": {**ACTOR, "replicas": 2}, "richdreamer": ACTOR}
    remote = {kind: configure(kind, placement=seats[kind], **more) for kind, more in changes.items()}
    with TeacherPool.start(remote) as pool:
        assert pool.specs == local.specs
        pool.wait_ready()
        assert_same(answers(pool), expected)

        kind = "richdreamer"
        pending = {seed: pool.submit(kind, request_for(pool.specs[kind], seed=seed)) for seed in (11, 12, 13)}
        ray.kill(pool._actors[kind][0], no_restart=False)
        repeated = {(kind, seed): reply.result() for seed, reply in pending.items()}
        assert_same(repeated, {key: reply for key, reply in expected.items() if key[0] == kind})


def test_pool_in_another_process_and_calls_spread_over_replicas(cluster, configure):
    section = configure("specimens:Plain", placement={**ACTOR, "replicas": 2})

    @ray.remote(num_cpus=0.25)
    def ask(pool):
        return answers(pool, seeds=range(4))

    with TeacherPool.start({"own": section}) as pool:
        found = ray.get(ask.remote(pool))
        for (_, seed), reply in found.items():
            assert torch.equal(reply.gradient, request_for(pool.specs["own"], seed=seed).pixels - seed)
        pids = [reply.metrics["pid"] for reply in found.values()]
        assert pids[0] == pids[2] != pids[1] == pids[3]

        reply = pool.submit("own", request_for(pool.specs["own"]))
        reply.result()
        with pytest.raises(RuntimeError, match="read once"):
            reply.result()


def test_every_failure_of_an_actor_has_its_own_message(cluster, configure, home, monkeypatch):
    for module in (pool_module, replies):
        monkeypatch.setattr(module, "REPEATS", 1)
    sections = {
        "gone": configure("specimens:Plain", weights="miniature/none", placement=ACTOR),
        "moody": configure("specimens:Moody", placement=ACTOR),
    }
    with TeacherPool.start(sections) as pool:
        with pytest.raises(MissingError, match="the weights 'miniature/none' are not here") as missing:
            pool.wait_ready()
        assert missing.value.__cause__ is None
        with pytest.raises(MissingError, match="the weights 'miniature/none' are not here"):
            pool.submit("gone", request_for(pool.specs["gone"])).result()

        def ask(mood: str):
            return pool.submit("moody", request_for(pool.specs["moody"], prompts=(mood,))).result()

        # One after the other: a deadly call takes those beside it with it.
        with pytest.raises(TrainingError, match="teacher 'moody' returned a gradient with values that are not finite"):
            ask("nan")
        with pytest.raises(TrainingError, match=r"teacher 'moody' failed: ZeroDivisionError\('a bug'\)"):
            ask("bug")
        with pytest.raises(TrainingError, match="teacher 'moody' stayed away after 1 repeats") as stayed_away:
            ask("die")
        assert "resumed from its last checkpoint" in stayed_away.value.hint
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
        {"gone": configure("mvdream", weights="miniature/none"), "moody": configure("specimens:Moody")}
    )
    with pytest.raises(MissingError):
        pool.submit("gone", request_for(pool.specs["gone"])).result()
    with pytest.raises(TrainingError, match="teacher 'moody' returned"):
        pool.submit("moody", request_for(pool.specs["moody"])).result()
    hungry = TeacherPool.start({"big": configure("specimens:Hungry")})
    with pytest.raises(TrainingError, match="'big' has no room for 2 pictures of 8 x 8: CUDA out of memory") as raised:
        hungry.submit("big", request_for(hungry.specs["big"])).result()
    for setting in ("train.prompts_per_worker", "teachers.big.resolution", "precision", "placement"):
        assert setting in raised.value.hint


def test_unknown_kind_is_refused_before_anything_starts(configure):
    with pytest.raises(RecipeError, match="there is no kind"):
        TeacherPool.start({"mv": configure("mvdraem", placement=ACTOR)})
