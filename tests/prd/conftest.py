"""The reference implementation's small generator."""

from collections.abc import Callable
from typing import Any

import pytest
from diffusers import AutoencoderKL, UNet2DConditionModel


@pytest.fixture(scope="session")
def tiny(golden) -> Any:
    return golden("generator/triplane_tiny")


@pytest.fixture(scope="session")
def tiny_base(tiny) -> Callable[[], tuple[UNet2DConditionModel, AutoencoderKL]]:
    """Makes its base model: U-Net and autoencoder, not adapted yet."""

    def make() -> tuple[UNet2DConditionModel, AutoencoderKL]:
        sizes = tiny.facts["config"]
        unet = UNet2DConditionModel(
            sample_size=sizes["latent_size"],
            block_out_channels=sizes["unet_channels"],
            attention_head_dim=sizes["unet_heads_per_level"],
            norm_num_groups=sizes["unet_norm_groups"],
            cross_attention_dim=sizes["cross_attention_dim"],
            use_linear_projection=True,
        )
        unet.load_state_dict(tiny.group("unet."))
        vae = AutoencoderKL(
            block_out_channels=sizes["vae_channels"],
            layers_per_block=sizes["vae_layers_per_block"],
            norm_num_groups=sizes["vae_norm_groups"],
            down_block_types=["DownEncoderBlock2D"] * 4,
            up_block_types=["UpDecoderBlock2D"] * 4,
        )
        vae.load_state_dict(tiny.group("vae."), strict=False)
        return unet, vae

    return make
