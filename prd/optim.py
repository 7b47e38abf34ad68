"""Optimisers. Adan (arXiv 2208.06677) is small enough to be our own; AdamW is torch's."""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer


class Adan(Optimizer):
    """Adaptive Nesterov momentum.

    Args:
        params: parameters or groups of them.
        lr: learning rate.
        betas: decay of the gradient, of its difference and of the second moment.
        eps: added to the denominator.
        weight_decay: proximal, applied after the update by division.
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 2e-4,
        betas: tuple[float, float, float] = (0.98, 0.92, 0.99),
        eps: float = 1e-15,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(params, {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:  # type: ignore[override]
        """One update of every parameter that has a gradient."""
        loss = closure() if closure is not None else None
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    self._update(parameter, parameter.grad, group)
        return loss

    def _update(self, parameter: Tensor, gradient: Tensor, group: dict[str, Any]) -> None:
        beta1, beta2, beta3 = group["betas"]
        state = self.state[parameter]
        if not state:
            # Counted for each parameter: a sharded optimiser steps through its shards one by one.
            state["step"] = 0
            for name in ("mean", "mean_difference", "second_moment"):
                state[name] = torch.zeros_like(parameter)
            state["previous"] = gradient.clone()
        state["step"] += 1
        difference = gradient - state["previous"]
        state["mean"].lerp_(gradient, 1 - beta1)
        state["mean_difference"].lerp_(difference, 1 - beta2)
        nesterov = gradient + beta2 * difference
        state["second_moment"].mul_(beta3).addcmul_(nesterov, nesterov, value=1 - beta3)
        state["previous"].copy_(gradient)

        step = state["step"]
        direction = state["mean"] / (1 - beta1**step) + state["mean_difference"] * (beta2 / (1 - beta2**step))
        scale = (state["second_moment"] / (1 - beta3**step)).sqrt_().add_(group["eps"])
        parameter.addcdiv_(direction, scale, value=-group["lr"])
        if group["weight_decay"]:
            parameter.div_(1 + group["lr"] * group["weight_decay"])
