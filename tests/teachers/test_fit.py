"""The loop that trains the miniature models."""

import pytest
import torch

from teachers.miniature.fit import Schedule, fit

SCHEDULE = Schedule(steps=12, batch=4, learning_rate=0.05, average=0.8)


class Line(torch.nn.Module):
    """y = a x with one unknown."""

    def __init__(self) -> None:
        super().__init__()
        self.slope = torch.nn.Linear(1, 1)
        with torch.no_grad():
            self.slope.weight.fill_(0.0)
            self.slope.bias.fill_(0.0)

    def loss(self, generator):
        x = torch.randn(SCHEDULE.batch, 1, generator=generator)
        return (self.slope(x) - 2 * x).square().mean()


@pytest.fixture
def stops_often(monkeypatch):
    monkeypatch.setattr("teachers.miniature.fit._SAVE_EVERY", 5)


def test_an_interrupted_training_ends_like_one_that_was_not(tmp_path, stops_often):
    whole = Line()
    fit("line", whole, whole.loss, SCHEDULE, 0, tmp_path / "whole.pt")

    broken, asked = Line(), 0

    def loss(generator):
        nonlocal asked
        asked += 1
        if asked == 8:
            raise KeyboardInterrupt
        return broken.loss(generator)

    with pytest.raises(KeyboardInterrupt):
        fit("line", broken, loss, SCHEDULE, 0, tmp_path / "broken.pt")
    resumed = Line()
    fit("line", resumed, resumed.loss, SCHEDULE, 0, tmp_path / "broken.pt")
    assert resumed.slope.weight.equal(whole.slope.weight) and resumed.slope.bias.equal(whole.slope.bias)
    assert not resumed.training
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_it_learns_and_depends_on_its_seed(tmp_path):
    schedule = Schedule(steps=200, batch=4, learning_rate=0.05, average=0.9)
    lines = [Line() for _ in range(2)]
    for seed, line in enumerate(lines):
        fit("line", line, line.loss, schedule, seed, tmp_path / f"{seed}.pt")
        assert abs(line.slope.weight.item() - 2) < 0.05
    assert not lines[0].slope.weight.equal(lines[1].slope.weight)


def test_the_result_is_the_average(tmp_path):
    averaged, last = Line(), Line()
    fit("line", averaged, averaged.loss, SCHEDULE, 0, tmp_path / "averaged.pt")
    fit("line", last, last.loss, Schedule(12, 4, 0.05), 0, tmp_path / "last.pt")
    assert 0 < averaged.slope.weight.item() < last.slope.weight.item()  # an average lags behind
