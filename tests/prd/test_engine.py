"""The data-parallel engine against plain torch: two processes, different data, K backward calls an update."""

import os
import socket
from itertools import product

import pytest
import torch
import torch.multiprocessing as multiprocessing
from diffusers import AutoencoderKL, UNet2DConditionModel
from torch import Tensor, nn

from prd.config import GeneratorConfig, TrainConfig
from prd.generator import TriplaneGenerator
from prd.optim import Adan
from prd.render.parts import in_parts

WORLD, K = 2, 4
UPDATES = {"fp32": 3, "bf16": 1}
"""By the precision of the frozen base. In bf16 the last bit of one update would turn small gradients of the next."""
CASES = tuple(product((0, 1, 2, 3), UPDATES))
"""ZeRO stage and precision."""


def tiny_generator(precision: str) -> TriplaneGenerator:
    torch.manual_seed(0)
    unet = UNet2DConditionModel(
        sample_size=8,
        block_out_channels=(8, 16),
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
        layers_per_block=1,
        norm_num_groups=4,
        attention_head_dim=2,
        cross_attention_dim=8,
        use_linear_projection=True,
    )
    vae = AutoencoderKL(
        block_out_channels=(8, 8),
        down_block_types=["DownEncoderBlock2D"] * 2,
        up_block_types=["UpDecoderBlock2D"] * 2,
        norm_num_groups=4,
    )
    if precision == "bf16":
        unet, vae = unet.bfloat16(), vae.bfloat16()
    generator = TriplaneGenerator(unet, vae, GeneratorConfig(base="", rank=2, plane_channels=4, hidden_width=8))
    for name, parameter in generator.named_parameters():
        if name.endswith(".up"):  # zero at first, which would hide the gradients of `down`
            nn.init.normal_(parameter, std=0.1)
    return generator


def loss_of(generator: TriplaneGenerator, rank: int, update: int, k: int) -> Tensor:
    """A loss that reaches every trained parameter, from data of this rank, update and step alone. Its gradients are
    far from 1 in size and differ between updates, so that clipping or a lost factor would show."""
    draws = torch.Generator().manual_seed(1000 * rank + 100 * update + k)
    latents = torch.randn(6, 4, 8, 8, generator=draws)
    text = torch.randn(1, 3, 8, generator=draws)
    points = torch.rand(1, 64, 3, generator=draws) * 1.6 - 0.8
    noise = generator.predict_noise(latents, generator.timesteps[k], text)
    fields = generator.fields(generator.decode(latents - 0.1 * noise))

    def query(some: Tensor) -> tuple[Tensor, ...]:
        return *fields.sdf_and_gradient(some), fields.colour(some), fields.deformation(some)

    distance, gradient, colour, deformation = in_parts(query, (points,), 24)  # heads run again in the backward pass
    shape = distance.square().mean() + (gradient.norm(dim=-1) - 1).square().mean()
    total = shape + colour.square().mean() + deformation.square().mean()
    return total * 30.0 * (1 + update) / K


def train_with_engine(rank: int, port: int, folder: str) -> None:
    import torch.distributed as dist

    from prd.engine import Engine

    os.environ["LOCAL_RANK"] = str(rank)
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"tcp://127.0.0.1:{port}", rank=rank, world_size=WORLD)
    for stage, precision in CASES:
        engine = Engine(tiny_generator(precision), TrainConfig(iterations=3, workers=WORLD, zero_stage=stage))
        for update in range(UPDATES[precision]):
            # Two steps in flight: forward passes overtake backward passes, as in training.
            waiting: list[Tensor] = []
            for k in range(K):
                waiting.append(loss_of(engine.student, rank, update, k))
                if len(waiting) == 2:
                    engine.backward(waiting.pop(0))
            engine.backward(waiting.pop(0))
            engine.step()
        state = engine.trained_state()
        if rank == 0:
            torch.save(state, f"{folder}/{stage}-{precision}.pt")
    dist.barrier()
    dist.destroy_process_group()


@pytest.fixture(scope="module")
def engine_results(tmp_path_factory):
    folder = tmp_path_factory.mktemp("engine")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    multiprocessing.spawn(train_with_engine, args=(port, str(folder)), nprocs=WORLD)
    return folder


@pytest.fixture(scope="module")
def plain_results() -> dict[str, dict[str, Tensor]]:
    return {precision: train_plainly(precision) for precision in UPDATES}


def train_plainly(precision: str) -> dict[str, Tensor]:
    generator = tiny_generator(precision)
    config = TrainConfig(iterations=3)
    optimiser = Adan(generator.parameter_groups(config.learning_rate, config.head_learning_rate))
    for update in range(UPDATES[precision]):
        for rank in range(WORLD):
            for k in range(K):
                (loss_of(generator, rank, update, k) / WORLD).backward()
        optimiser.step()
        optimiser.zero_grad()
    return {name: parameter.detach() for name, parameter in generator.trainable()}


@pytest.mark.parametrize(("stage", "precision"), [case for case in CASES if case != (3, "bf16")])
def test_an_update_equals_plain_torch(engine_results, plain_results, stage, precision):
    state = torch.load(engine_results / f"{stage}-{precision}.pt", weights_only=True)
    start = dict(tiny_generator(precision).trainable())
    assert state.keys() == plain_results[precision].keys()
    for name, expected in plain_results[precision].items():
        assert state[name].dtype == torch.float32
        # Adan divides by the gradient's own size: where a gradient is nothing but rounding, so is its direction.
        moved = (expected - start[name]).abs().max()
        assert moved > 0, name
        difference = (state[name] - expected).abs()
        assert difference.median() <= 1e-3 * moved, name
        assert difference.mean() <= 2e-2 * moved, name


def test_sharded_weights_in_bf16_move_the_same_way(engine_results, plain_results):
    """ZeRO-3 multiplies matrices by a function of its own, which rounds otherwise: one sign in ten differs."""
    state = torch.load(engine_results / "3-bf16.pt", weights_only=True)
    start = dict(tiny_generator("bf16").trainable())
    expected, found = (
        torch.cat([(tensors[name] - start[name].detach()).flatten() for name in start])
        for tensors in (plain_results["bf16"], state)
    )
    assert torch.cosine_similarity(found, expected, dim=0) > 0.75
