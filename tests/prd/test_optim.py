"""Adan against the reference's vectors."""

import pytest
import torch
from torch.testing import assert_close

from prd.optim import Adan


@pytest.mark.parametrize("case", ["reference", "large_lr_decay", "other_betas_not_foreach"])
def test_ten_steps(golden, case):
    vectors = golden("optimiser/adan")
    settings = {key: value for key, value in vectors.facts["config"][case].items() if key != "foreach"}
    parameters = [vectors[f"{case}.param{i}.initial"].clone().requires_grad_() for i in range(3)]
    optimiser = Adan(parameters, **settings | {"betas": tuple(settings["betas"])})
    for step in range(10):
        for i, parameter in enumerate(parameters):
            parameter.grad = vectors[f"{case}.param{i}.gradients"][step].clone()
        optimiser.step()
        for i, parameter in enumerate(parameters):
            assert_close(parameter.detach(), vectors[f"{case}.param{i}.values"][step], rtol=0.0, atol=3e-6)


def test_its_state_survives_saving():
    gradients = torch.randn(6, 3)
    whole = torch.zeros(3, requires_grad=True)
    optimiser = Adan([whole])
    split = torch.zeros(3, requires_grad=True)
    other = Adan([split])
    for step, gradient in enumerate(gradients):
        if step == 3:
            state = other.state_dict()
            other = Adan([split])
            other.load_state_dict(state)
        whole.grad, split.grad = gradient.clone(), gradient.clone()
        optimiser.step()
        other.step()
    assert torch.equal(whole, split)
