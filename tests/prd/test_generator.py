"""The generator against the reference implementation's vectors, and its sizes at Stable Diffusion 2.1's width."""

import copy

import pytest
import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from torch.testing import assert_close

from prd.adapters import LoRAConv2d, PlaneLoRALinear, adapt_decoder, adapt_unet
from prd.config import GeneratorConfig
from prd.generator import TriplaneGenerator
from prd.released import load_released


@pytest.fixture(scope="module")
def generator(tiny, tiny_base) -> TriplaneGenerator:
    return load_released(tiny.tensors, *tiny_base())


def close(actual: torch.Tensor, expected: torch.Tensor, absolute: float = 0.0, of_maximum: float = 0.0) -> None:
    assert_close(actual, expected, rtol=0.0, atol=absolute + of_maximum * float(expected.abs().max()))


def test_noise_prediction_and_its_gradients(generator, tiny):
    latents = tiny["io.noisy_latents"].clone().requires_grad_()
    predicted = generator.predict_noise(latents, int(tiny["io.timestep"]), tiny["io.text_embedding"])
    close(predicted, tiny["io.noise_prediction"], absolute=1e-5)

    generator.zero_grad()
    (predicted * tiny["io.noise_grad_weight"]).sum().backward()
    close(latents.grad, tiny["io.grad_noisy_latents"], of_maximum=3e-5)
    first = generator.unet.down_blocks[0].attentions[0].transformer_blocks[0].attn1
    layers = "io.grad.geometry.space_generator.peft_layers.layers.0."
    close(first.to_q.up.grad[1], tiny[f"{layers}to_q_xz_lora_geo.up.weight"], of_maximum=3e-5)
    close(first.to_out[0].up.grad[5], tiny[f"{layers}to_out_yz_lora_tex.up.weight"], of_maximum=3e-5)


def test_planes_of_a_clean_latent(generator, tiny):
    close(generator.decode(tiny["io.z0"]), tiny["io.planes"], absolute=1e-5)


@pytest.mark.parametrize("steps", [4, 2, 1])
def test_few_step_sampling(generator, golden, steps):
    chain = golden("generator/few_step")
    few = copy.copy(generator)
    few.timesteps = chain[f"ddim.K{steps}.timesteps"].tolist()
    clean = few.denoise(chain["init_noise"], chain["text_embedding"])
    close(clean, chain[f"ddim.K{steps}.final_z0"], absolute=4e-4)


def test_the_training_chain_restarts_from_fresh_noise(generator, golden):
    chain = golden("generator/few_step")
    latents = chain["init_noise"]
    assert generator.timesteps == chain["train.K4.timesteps"].tolist()
    with torch.no_grad():
        for k, timestep in enumerate(generator.timesteps):
            noisy = generator.schedule.add_noise(latents, chain["train.K4.noises"][k], timestep)
            predicted = generator.predict_noise(noisy, timestep, chain["text_embedding"])
            latents = generator.schedule.predict_clean(noisy, predicted, timestep)
            close(latents, chain["train.K4.z0"][k], absolute=4e-4)


def test_field_queries(generator, tiny):
    fields, points = generator.fields(tiny["io.planes"]), tiny["io.points"]
    close(fields.geometry_features(points), tiny["io.point_geometry_feature"], absolute=1e-5)
    close(fields.texture_features(points), tiny["io.point_texture_feature"], absolute=1e-5)
    close(fields.sdf(points), tiny["io.sdf"], absolute=1e-5)
    close(fields.deformation(points), tiny["io.deformation"], absolute=1e-5)
    close(fields.colour(points), tiny["io.colour"], absolute=2e-6)
    distances, gradient = fields.sdf_and_gradient(points)
    close(distances, tiny["io.sdf"], absolute=1e-5)
    close(gradient, tiny["io.sdf_gradient"], absolute=1e-4)


def test_the_distance_gradient_can_be_trained_through(generator, tiny):
    planes = tiny["io.planes"].clone().requires_grad_()
    generator.zero_grad()
    _, gradient = generator.fields(planes).sdf_and_gradient(tiny["io.points"])
    eikonal = (gradient.norm(dim=-1) - 1).square().mean()
    close(eikonal, tiny["io.eikonal"].squeeze(), of_maximum=1e-5)
    eikonal.backward()
    close(planes.grad, tiny["io.grad_eikonal_planes"], of_maximum=1e-5)
    head = generator.heads.distance
    for layer, parameter in ((0, head.first), (2, head.second), (4, head.last)):
        close(parameter.grad, tiny[f"io.grad_eikonal.geometry.sdf_network.layers.{layer}.weight"], of_maximum=1e-5)


def test_colour_and_distance_gradients_of_the_planes(generator, tiny):
    planes = tiny["io.planes"].clone().requires_grad_()
    fields = generator.fields(planes)
    colour, distance = fields.colour(tiny["io.points"]), fields.sdf(tiny["io.points"])
    ((colour * tiny["io.colour_weight"]).sum() + (distance * tiny["io.sdf_weight"]).sum()).backward()
    close(planes.grad, tiny["io.grad_colour_sdf_planes"], of_maximum=1e-5)


def stable_diffusion_21(adaptation: str = "peta", rank: int = 16) -> TriplaneGenerator:
    with torch.device("meta"):
        unet = UNet2DConditionModel(
            sample_size=64, cross_attention_dim=1024, attention_head_dim=(5, 10, 20, 20), use_linear_projection=True
        )
        vae = AutoencoderKL(
            block_out_channels=(128, 256, 512, 512),
            down_block_types=["DownEncoderBlock2D"] * 4,
            up_block_types=["UpDecoderBlock2D"] * 4,
            layers_per_block=2,
        )
        return TriplaneGenerator(unet, vae, GeneratorConfig(base="", adaptation=adaptation, rank=rank))


def test_adapter_counts_at_full_size():
    generator = stable_diffusion_21()
    assert generator.latent_shape == (4, 32, 32)  # half of what the base makes pictures from
    trainable = {name: parameter.numel() for name, parameter in generator.trainable()}
    heads = sum(count for name, count in trainable.items() if name.startswith("heads."))
    assert heads == 22_976
    assert sum(trainable.values()) - heads == 22_661_184
    assert sum(isinstance(module, PlaneLoRALinear) for module in generator.modules()) == 16 * 4
    assert sum(isinstance(module, LoRAConv2d) for module in generator.modules()) == 64 + 33


def test_plain_lora_has_the_same_budget():
    counts = {
        kind: sum(parameter.numel() for _, parameter in stable_diffusion_21(kind).trainable())
        for kind in ("peta", "lora")
    }
    assert counts["lora"] == counts["peta"]


def test_only_adapters_and_heads_train_unless_all_do():
    frozen = {name for name, parameter in stable_diffusion_21().named_parameters() if not parameter.requires_grad}
    assert any(name.endswith("base.weight") for name in frozen)
    full = stable_diffusion_21("full")
    assert all(parameter.requires_grad for parameter in full.parameters())


def test_a_model_without_the_expected_modules_is_refused():
    with pytest.raises(LookupError):
        adapt_unet(torch.nn.Sequential(torch.nn.Conv2d(3, 3, 1)), 4, "peta")
    with pytest.raises(LookupError):
        adapt_decoder(torch.nn.Sequential(torch.nn.Conv2d(3, 3, 1)), 4, 8, "peta")
