"""The data-parallel optimiser: DeepSpeed ZeRO, with the accumulation boundary in our hands.

One optimiser step follows K backward calls. DeepSpeed, left to itself, would count every backward as a step and drop
the gradients of all but the last; with `managed_gradient_accumulation` off, `step()` alone is the boundary.
"""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.optim import AdamW, Optimizer

from prd.config import TrainConfig
from prd.generator import TriplaneGenerator
from prd.optim import Adan


class Engine:
    """A generator in training, on this process's share of the work. `torch.distributed` must be initialised.

    Args:
        student: on its device; the same weights on every process.
        config: optimiser, learning rates and ZeRO stage.
    """

    def __init__(self, student: TriplaneGenerator, config: TrainConfig) -> None:
        deepspeed = _import_deepspeed()
        groups = student.parameter_groups(config.learning_rate, config.head_learning_rate)
        optimiser: Optimizer = Adan(groups) if config.optimiser == "adan" else AdamW(groups, weight_decay=0.0)
        # DeepSpeed's default, which it lays out anew at every backward: gigabytes, where adapters are far smaller.
        bucket = min(500_000_000, sum(parameter.numel() for _, parameter in student.trainable()))
        self._deepspeed = deepspeed
        self._zero_stage = config.zero_stage
        self._engine, *_ = deepspeed.initialize(
            model=student,
            optimizer=optimiser,
            model_parameters=[parameter for _, parameter in student.trainable()],
            dist_init_required=False,
            config={
                "train_micro_batch_size_per_gpu": config.prompts_per_worker,
                "gradient_accumulation_steps": 1,
                "managed_gradient_accumulation": False,
                "gradient_clipping": 0.0,  # the method has none; DeepSpeed's own default is 1
                "zero_allow_untested_optimizer": True,
                "zero_optimization": {
                    "stage": config.zero_stage,
                    "overlap_comm": False,
                    "reduce_bucket_size": bucket,
                    "allgather_bucket_size": bucket,
                },
                "steps_per_print": 2**31,
            },
        )
        self.student = student

    def backward(self, loss: Tensor) -> None:
        """Accumulate the gradients of `loss`, unscaled."""
        # DeepSpeed tells one backward from the next in its own `forward`, which the K steps of an iteration, being
        # several calls of several parts in flight at once, do not use. Without this ZeRO-3 keeps the last one only.
        if self._zero_stage > 0:
            self._engine.optimizer.clear_backward_seen_flag()
        self._engine.backward(loss, scale_wrt_gas=False)

    def step(self) -> None:
        """Average the accumulated gradients over processes, update the weights and start afresh."""
        self._engine.step()

    def trained_state(self) -> dict[str, Tensor]:
        """All trained tensors, whole and on the CPU. Every process must call it."""
        names, parameters = zip(*self.student.trainable(), strict=True)
        if self._zero_stage < 3:
            return _to_cpu(names, parameters)
        with self._deepspeed.zero.GatheredParameters(list(parameters)):
            return _to_cpu(names, parameters)

    def save(self, folder: Path) -> None:
        """Write the optimiser's shards, without frozen weights. Every process must call it."""
        self._engine.save_checkpoint(str(folder), tag="state", exclude_frozen_parameters=True)

    def load(self, folder: Path) -> None:
        """Continue exactly from what `save` wrote, with the same number of processes. Every process must call it."""
        path, _ = self._engine.load_checkpoint(str(folder), tag="state", load_module_strict=False)
        if path is None:
            raise FileNotFoundError(folder)


def _to_cpu(names: tuple[str, ...], parameters: tuple[Tensor, ...]) -> dict[str, Tensor]:
    return {
        name: parameter.detach().cpu().clone().contiguous() for name, parameter in zip(names, parameters, strict=True)
    }


def _import_deepspeed() -> Any:
    import os

    # Without a GPU it must not look for one; set before its import.
    if not torch.cuda.is_available():
        os.environ.setdefault("DS_ACCELERATOR", "cpu")
    import deepspeed

    # Used for tensor-parallel inference only, and would need a compiler and a minute at the first start.
    deepspeed.ops.__compatible_ops__["deepspeed_shm_comm"] = False
    return deepspeed
