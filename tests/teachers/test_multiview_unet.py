"""Original checkpoints on diffusers' networks, against vectors of the reference implementation."""

import pytest
import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from diffusers.models.attention_processor import AttnProcessor2_0

from teachers.attention import MultiViewAttention, install_multiview_attention, require_multiview_attention
from teachers.convert import convert_unet, convert_vae

UNETS = {
    "mvdream_unet_tiny": ("mvdream", {"attention_head_dim": [2, 4, 8, 8], "norm_num_groups": 4}),
    "nd_mv_unet_tiny": ("richdreamer", {"attention_head_dim": 2, "norm_num_groups": 4}),
}


@pytest.fixture(params=UNETS)
def converted(request, golden):
    vectors = golden(f"teachers/{request.param}")
    kind, told = UNETS[request.param]
    config, tensors = convert_unet(vectors.tensors, kind, **told)
    unet = UNet2DConditionModel.from_config(config)
    unet.load_state_dict(tensors, strict=True)
    install_multiview_attention(unet.eval(), 4)
    return unet, vectors


def predict(unet, vectors, x):
    return unet(
        x,
        vectors["io.timesteps"],
        encoder_hidden_states=vectors["io.context"],
        class_labels=vectors["io.camera"],
    ).sample


def test_unet_output_and_gradient(converted):
    unet, vectors = converted
    x = vectors["io.x"].clone().requires_grad_()
    output = predict(unet, vectors, x)
    (gradient,) = torch.autograd.grad((output * vectors["io.grad_weight"]).sum(), x)
    # Tight enough to notice a wrong norm epsilon, which moves the output by 1e-5.
    torch.testing.assert_close(output.detach(), vectors["io.output"], rtol=0, atol=5e-6)
    largest = vectors["io.grad_x"].abs().max().item()
    torch.testing.assert_close(gradient, vectors["io.grad_x"], rtol=0, atol=3e-5 * largest)


def test_views_that_are_not_folded_are_noticed(converted):
    unet, vectors = converted
    processors = [name for name, used in unet.attn_processors.items() if isinstance(used, MultiViewAttention)]
    assert len(processors) == 16
    unet.set_attn_processor(AttnProcessor2_0())
    with torch.no_grad():
        assert (predict(unet, vectors, vectors["io.x"]) - vectors["io.output"]).abs().max() > 0.1
    with pytest.raises(RuntimeError, match="16 of 16 self-attentions do not attend over 4 views"):
        require_multiview_attention(unet, 4)


def test_other_number_of_views_is_noticed(converted):
    unet, _ = converted
    with pytest.raises(RuntimeError, match="over 2 views"):
        require_multiview_attention(unet, 2)


def test_vae(golden):
    vectors = golden("teachers/ldm_vae_tiny")
    config, tensors = convert_vae(vectors.tensors, norm_num_groups=4)
    vae = AutoencoderKL.from_config(config)
    vae.load_state_dict(tensors, strict=True)
    vae.eval()
    image = vectors["io.image"].clone().requires_grad_()
    posterior = vae.encode(image).latent_dist
    torch.testing.assert_close(posterior.parameters.detach(), vectors["io.moments"], rtol=0, atol=5e-6)
    (gradient,) = torch.autograd.grad((posterior.parameters * vectors["io.moments_grad_weight"]).sum(), image)
    largest = vectors["io.grad_image"].abs().max().item()
    torch.testing.assert_close(gradient, vectors["io.grad_image"], rtol=0, atol=1e-5 * largest)
    with torch.no_grad():
        torch.testing.assert_close(vae.decode(vectors["io.latent"]).sample, vectors["io.decoded"], rtol=0, atol=2e-5)
