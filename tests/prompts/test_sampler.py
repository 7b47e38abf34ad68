"""The order of training: every index once an epoch, the same however the run is cut or spread."""

from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prompts.sampler import Permutation, PromptSampler, SamplerState, visit_weights

SIZES = st.integers(1, 300)
SEEDS = st.integers(0, 2**40)
ALIKE = np.ones(100, np.float32)
"""Sources that weigh the same."""


@settings(max_examples=100, deadline=None)
@given(SIZES, SEEDS)
def test_a_permutation_is_a_bijection(size, key):
    order = Permutation(size, key)
    assert sorted(order(index) for index in range(size)) == list(range(size))


@settings(max_examples=60, deadline=None)
@given(SIZES, SEEDS, st.integers(1, 40), st.integers(1, 3))
def test_every_epoch_visits_each_index_once(size, seed, batch_size, epochs):
    sampler = PromptSampler(size, seed, batch_size)
    seen: list[int] = []
    while len(seen) < size * epochs:
        seen += sampler.next_batch()
    for epoch in range(epochs):
        assert sorted(seen[epoch * size : (epoch + 1) * size]) == list(range(size))


@settings(max_examples=60, deadline=None)
@given(SIZES, SEEDS, st.integers(1, 20), st.lists(st.integers(0, 15), min_size=1, max_size=5))
def test_any_split_of_the_steps_into_runs_is_one_run(size, seed, batch_size, runs):
    whole = PromptSampler(size, seed, batch_size)
    expected = [whole.next_batch() for _ in range(sum(runs))]
    state, got = SamplerState(), []
    for steps in runs:
        sampler = PromptSampler(size, seed, batch_size, state)
        got += [sampler.next_batch() for _ in range(steps)]
        state = SamplerState(**sampler.state.as_dict())
    assert got == expected
    assert state == whole.state


@settings(max_examples=60, deadline=None)
@given(SIZES, SEEDS, st.integers(1, 24), st.integers(1, 8))
def test_ranks_share_one_global_batch(size, seed, batch_size, world_size):
    alone = PromptSampler(size, seed, batch_size)
    ranks = [PromptSampler(size, seed, batch_size) for _ in range(world_size)]
    for _ in range(4):
        batch = alone.next_batch()
        shares = [sampler.next_batch(rank, world_size) for rank, sampler in enumerate(ranks)]
        for rank, share in enumerate(shares):
            assert share == batch[rank::world_size]
        assert sum(map(len, shares)) == batch_size
        assert {sampler.state for sampler in ranks} == {alone.state}


def test_seeds_and_epochs_give_other_orders():
    def order(seed: int, epoch: int) -> list[int]:
        return PromptSampler(1000, seed, 1000, SamplerState(epoch)).next_batch()

    orders = [order(seed, epoch) for seed in (0, 1) for epoch in (0, 1)]
    for index, one in enumerate(orders):
        for other in orders[index + 1 :]:
            assert sum(a == b for a, b in zip(one, other, strict=True)) < 20


def test_the_order_is_mixed():
    """Neighbours in an epoch come from everywhere: their mean distance is that of independent draws, size / 3."""
    size = 5000
    order = PromptSampler(size, 7, size).next_batch()
    distance = sum(abs(a - b) for a, b in pairwise(order)) / (size - 1)
    assert distance == pytest.approx(size / 3, rel=0.06)


def test_a_corpus_of_any_size_needs_no_list():
    sampler = PromptSampler(10**12, 0, 4)
    assert all(0 <= index < 10**12 for index in sampler.next_batch())


@pytest.mark.parametrize("state", [SamplerState(0, 10), SamplerState(-1, 0), SamplerState(0, -1)])
def test_a_state_of_another_corpus_is_refused(state):
    with pytest.raises(ValueError, match="does not fit"):
        PromptSampler(10, 0, 2, state)


def test_popular_prompts_come_more_often():
    sizes = np.array([1, 1, 9, 2, 100], np.int32)
    weights = visit_weights(sizes, 0.5, ALIKE[:5])
    sampler = PromptSampler(5, seed=3, batch_size=1, weights=weights)
    seen = Counter()
    while sampler.state.epoch < 200:
        seen.update(sampler.next_batch())
    times = np.array([seen[index] for index in range(5)]) / 200
    assert times[[0, 1, 2, 4]].tolist() == [1, 1, 3, 10]
    assert times[3] == pytest.approx(2**0.5, abs=0.1), "a fraction is a chance"
    assert visit_weights(sizes, 0.0, ALIKE[:5]) is None


def visits_of(weights: np.ndarray, epochs: int) -> np.ndarray:
    """[size] visits of each index in the first epochs."""
    sampler = PromptSampler(len(weights), seed=3, batch_size=1, weights=weights)
    visits = np.zeros(len(weights), np.int64)
    while sampler.state.epoch < epochs:
        visits[sampler.next_batch()] += 1
    return visits


def test_prompts_of_weighty_sources_come_more_often():
    source_weights = np.repeat(np.array([1.0, 3.0, 0.01], np.float32), [60, 30, 10])
    epochs = 300
    weights = visit_weights(np.ones(100, np.int32), 0.0, source_weights)
    visits = visits_of(weights, epochs)
    assert visits.sum() / epochs == pytest.approx(100, rel=0.02), "an epoch is as long as without weights"
    one, three, hundredth = visits[:60].mean(), visits[60:90].mean(), visits[90:].mean()
    assert three / one == pytest.approx(3, rel=0.05)
    assert 0.003 < hundredth / one < 0.03
    popular = visit_weights(np.array([4, 1, 4, 1], np.int32), 0.5, np.array([1, 1, 2, 2], np.float32))
    assert popular.sum() == pytest.approx(6), "as long as popularity alone makes it"
    assert (popular / popular[1]).tolist() == pytest.approx([2, 1, 4, 2])


SOURCE_WEIGHTS = st.floats(2**-10, 1000, width=32)


@given(weight=SOURCE_WEIGHTS, sizes=st.lists(st.integers(1, 50), min_size=1, max_size=40))
def test_equal_weights_are_no_weights(weight, sizes):
    cluster_sizes, equal = np.array(sizes, np.int32), np.full(len(sizes), weight, np.float32)
    assert visit_weights(cluster_sizes, 0.0, equal) is None
    popularity = visit_weights(cluster_sizes, 0.5, equal)
    assert popularity.tolist() == (cluster_sizes**0.5).tolist()


@given(st.lists(st.tuples(SOURCE_WEIGHTS, st.integers(1, 10**6)), min_size=1, max_size=40), st.floats(0, 1))
def test_no_epoch_is_empty_or_long(prompts, exponent):
    source_weights, sizes = (np.array(column) for column in zip(*prompts, strict=True))
    weights = visit_weights(sizes.astype(np.int32), exponent, source_weights.astype(np.float32))
    if weights is not None:
        assert weights.max() >= 1
        assert weights.sum() == pytest.approx((sizes**exponent).sum())
        PromptSampler(len(sizes), 0, 4, weights=weights)


@given(data=st.data(), sizes=st.lists(st.integers(1, 50), min_size=1, max_size=40), ranks=st.sampled_from([1, 2, 4]))
def test_weighted_epochs_resume_exactly_on_any_number_of_ranks(data, sizes, ranks):
    source_weights = data.draw(st.lists(SOURCE_WEIGHTS, min_size=len(sizes), max_size=len(sizes)))
    exponent = data.draw(st.floats(0.1, 1.0))
    weights = visit_weights(np.array(sizes, np.int32), exponent, np.array(source_weights, np.float32))
    whole = PromptSampler(len(sizes), 1, 4, weights=weights)
    expected = [whole.next_batch() for _ in range(30)]
    cut = data.draw(st.integers(0, 29))
    first = PromptSampler(len(sizes), 1, 4, weights=weights)
    for _ in range(cut):
        first.next_batch()
    resumed = [PromptSampler(len(sizes), 1, 4, SamplerState(**first.state.as_dict()), weights) for _ in range(ranks)]
    for batch in expected[cut:]:
        parts = [sampler.next_batch(rank, ranks) for rank, sampler in enumerate(resumed)]
        assert [parts[place % ranks][place // ranks] for place in range(4)] == batch


def test_weights_must_fit():
    with pytest.raises(ValueError, match="5 weights"):
        PromptSampler(5, 0, 1, weights=np.ones(4))
    with pytest.raises(ValueError, match="at least 1"):
        PromptSampler(2, 0, 1, weights=np.array([0.9, 0.5]))
    with pytest.raises(ValueError, match="from 0 up"):
        PromptSampler(2, 0, 1, weights=np.array([1.0, -0.5]))
