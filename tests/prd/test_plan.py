"""What a training will take, beside what it takes."""

import pytest
import torch
from torch import nn

from flows.planning import show_plan
from flows.recipe import read_recipe
from infra.errors import RecipeError
from infra.memory import kept_bytes, largest_operation
from infra.progress import console
from infra.weights import resolve_weights
from prd.generator import TriplaneGenerator
from prd.plan import Room, objections, plan_training
from teachers.registry import load_teacher


def test_parameters_are_those_of_the_models(home):
    recipe = read_recipe("miniature", ["teachers.mvdream.placement=local"])
    worker, *actors = plan_training(recipe)
    shares = {share.model: share for place in (worker, *actors) for share in place.shares}
    assert [share.model for share in worker.shares] == ["student", "text encoder", "mvdream"]
    assert (worker.count, [place.shares[0].model for place in actors]) == (2, ["stable_diffusion", "richdreamer"])

    student = TriplaneGenerator.untrained(resolve_weights(recipe.generator.base), recipe.generator, 0)
    assert shares["student"].parameters == sum(parameter.numel() for parameter in student.parameters())
    for name in recipe.teachers:
        teacher = load_teacher(name, recipe.teachers[name], torch.device("cpu"))
        loaded = [teacher.unet, teacher.text._model]
        if name != "richdreamer":
            loaded.append(teacher.images._vae)
        assert shares[name].parameters == sum(one.numel() for model in loaded for one in model.parameters()), name


def test_kept_memory_is_what_a_real_pass_keeps(home):
    """On the meta device and in truth; attention is fused in truth only."""
    config = read_recipe("miniature", []).generator
    real = TriplaneGenerator.untrained(resolve_weights(config.base), config, 0)
    loaded = bases(config.base)
    with torch.device("meta"):
        unet, vae = (type(model).from_config(model.config) for model in loaded)
        planned = TriplaneGenerator(unet, vae, config)

    def kept(student: TriplaneGenerator, device: str) -> int:
        noise = torch.zeros(6, *student.latent_shape, device=device)
        text = torch.zeros(1, 16, 64, device=device)
        return kept_bytes(lambda: student.decode(student.predict_noise(noise, 999, text)), student.parameters())

    assert kept(planned, "meta") == pytest.approx(kept(real, "cpu"), rel=0.2)


def bases(reference: str) -> tuple[nn.Module, nn.Module]:
    from teachers.folder import load_unet, load_vae

    folder = resolve_weights(reference)
    return load_unet(folder, torch.device("cpu"), torch.float32), load_vae(folder, torch.device("cpu"), torch.float32)


def test_kept_and_largest():
    layer = nn.Linear(8, 16, bias=False)
    inputs = torch.zeros(4, 8)
    assert kept_bytes(lambda: layer(inputs).relu().sum(), layer.parameters()) == 4 * (4 * 8 + 4 * 16)
    assert largest_operation(lambda: layer(inputs)) == 4 * (8 * 16 + 4 * 8 + 4 * 16)


def test_published_size_without_weights():
    recipe = read_recipe("sd21", [])
    worker, *teachers = plan_training(recipe)
    assert worker.count == 8 and [share.model for share in worker.shares] == ["student", "text encoder"]
    # U-Net, decoder and post_quant_conv, 22,661,184 of adapters, the new output and 22,976 of heads.
    assert "22.7 M trained" in worker.shares[0].remark
    unets = {"stable_diffusion": 865_910_724, "mvdream": 867_572_164, "richdreamer": 861_182_404}
    text = {"stable_diffusion": 340_387_840, "mvdream": 340_387_840, "richdreamer": 123_060_480}
    for place in teachers:
        (share,) = place.shares
        encoder = share.parameters - unets[share.model] - text[share.model]
        assert encoder == (0 if share.model == "richdreamer" else 34_163_664)
        assert share.weights == 2 * share.parameters  # bf16
    assert worker.bytes < 24e9, "the aim"
    kept = plan_training(read_recipe("sd21", ["train.recompute=false"]))[0]
    assert kept.bytes > 2 * worker.bytes


def test_what_cannot_fit_is_refused(home):
    places = plan_training(read_recipe("sd21", []))
    assert objections(places, Room(11, int(80e9))) == []
    few, small = objections(places, Room(8)), objections(places, Room(11, int(20e9)))
    assert len(few) == 1 and few[0].startswith("11 GPUs are wanted, there are 8")
    assert len(small) == 1 and small[0].startswith("worker (student): 2") and "prompts_per_worker" in small[0]
    shared = read_recipe("sd21", [f"teachers.{name}.placement.gpus=0.3" for name in ("mvdream", "richdreamer")])
    assert objections(plan_training(shared), Room(10, int(24e9))) == []
    assert "main memory" in objections(plan_training(read_recipe("miniature", [])), Room(0, None, 10**9))[0]


def test_the_command_prints_and_refuses(home):
    with console.capture() as messages:
        show_plan(read_recipe("miniature", []))
    for part in ("2 x worker", "student", "stable_diffusion", "main memory"):
        assert part in messages.get()
    with pytest.raises(RecipeError, match="this plan cannot fit:\n  - 11 GPUs are wanted, there are 4"):
        show_plan(read_recipe("sd21", []), gpus=4, gpu_memory_gb=80)
