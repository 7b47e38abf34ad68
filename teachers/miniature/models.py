"""Architectures of the miniature models: those of the real ones, at sizes for a CPU.

Pictures of 64 x 64 become latents of 8 x 8; the geometry model takes maps of 16 x 16 as they are.
"""

from typing import TYPE_CHECKING, Any

from teachers.miniature.tokenizer import LENGTH

if TYPE_CHECKING:
    import open_clip
    from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
    from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
    from diffusers.schedulers.scheduling_ddpm import DDPMScheduler
    from transformers import CLIPTextModel, CLIPTokenizer

TEXT_WIDTH, TEXT_HEADS, TEXT_LAYERS = 64, 4, 2
GEOMETRY_RESOLUTION = 16

_UNET: dict[str, Any] = {
    "sample_size": 8,
    "in_channels": 4,
    "out_channels": 4,
    "down_block_types": ("CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
    "up_block_types": ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D"),
    "block_out_channels": (64, 128),
    "layers_per_block": 1,
    "cross_attention_dim": TEXT_WIDTH,
    "attention_head_dim": (2, 4),  # diffusers' old name for the number of heads
    "norm_num_groups": 8,
}
_LINEAR = {"use_linear_projection": True}
_CAMERA = {"class_embed_type": "projection", "projection_class_embeddings_input_dim": 16}
_GEOMETRY = {
    # Attention below 16 x 16 only: over four views it costs too much there.
    "sample_size": GEOMETRY_RESOLUTION,
    "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
    "up_block_types": ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
    "block_out_channels": (32, 64, 96),
    "attention_head_dim": (2, 2, 3),
}
_VAE: dict[str, Any] = {
    "down_block_types": ("DownEncoderBlock2D",) * 4,
    "up_block_types": ("UpDecoderBlock2D",) * 4,
    "block_out_channels": (16, 32, 64, 64),
    "layers_per_block": 1,
    "latent_channels": 4,
    "norm_num_groups": 2,  # in groups of two channels, as with 8, a plain picture's colour is normalised away
    "sample_size": 64,
    "scaling_factor": 1.0,  # known when it is trained
}
_SCHEDULER = {
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "num_train_timesteps": 1000,
    "clip_sample": False,
    "steps_offset": 1,
    "prediction_type": "epsilon",
}


def new_autoencoder() -> "AutoencoderKL":
    """An autoencoder of 8 x 8 x 4 latents with random weights."""
    from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL

    return AutoencoderKL(**_VAE)


def new_unet(kind: str) -> "UNet2DConditionModel":
    """The U-Net of a kind of teacher, with random weights."""
    from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel

    changes = {
        "stable_diffusion": _LINEAR,
        "mvdream": {**_LINEAR, **_CAMERA},
        "richdreamer": {**_GEOMETRY, **_CAMERA},
    }
    return UNet2DConditionModel(**{**_UNET, **changes[kind]})


def new_scheduler() -> "DDPMScheduler":
    """Stable Diffusion's noise schedule."""
    from diffusers.schedulers.scheduling_ddpm import DDPMScheduler

    return DDPMScheduler(**_SCHEDULER)


def new_text_encoder(tokenizer: "CLIPTokenizer") -> "CLIPTextModel":
    """The text tower of `clip_config` in the form that diffusers folders hold, with random weights."""
    from transformers import CLIPTextConfig, CLIPTextModel

    tokens: Any = tokenizer
    config = CLIPTextConfig(
        vocab_size=len(tokenizer),
        hidden_size=TEXT_WIDTH,
        intermediate_size=4 * TEXT_WIDTH,
        projection_dim=TEXT_WIDTH,
        num_hidden_layers=TEXT_LAYERS,
        num_attention_heads=TEXT_HEADS,
        max_position_embeddings=LENGTH,
        hidden_act="gelu",
        bos_token_id=tokens.bos_token_id,
        eos_token_id=tokens.eos_token_id,
        pad_token_id=tokens.pad_token_id,
    )
    return CLIPTextModel(config)


def clip_config(vocabulary: int) -> dict[str, Any]:
    """`open_clip_config.json` of both CLIPs."""
    return {
        "model_cfg": {
            "embed_dim": TEXT_WIDTH,
            "vision_cfg": {"image_size": 64, "layers": 3, "width": 96, "head_width": 32, "patch_size": 8},
            "text_cfg": {
                "context_length": LENGTH,
                "vocab_size": vocabulary,
                "width": TEXT_WIDTH,
                "heads": TEXT_HEADS,
                "layers": TEXT_LAYERS,
                "hf_tokenizer_name": "tokenizer",  # beside this file
            },
        },
        "preprocess_cfg": {
            "mean": [0.48145466, 0.4578275, 0.40821073],
            "std": [0.26862954, 0.26130258, 0.27577711],
            "interpolation": "bicubic",
            "resize_mode": "shortest",
        },
    }


def new_clip(vocabulary: int) -> "open_clip.CLIP":
    """A CLIP with random weights."""
    import open_clip

    config = clip_config(vocabulary)["model_cfg"]
    text = {name: value for name, value in config["text_cfg"].items() if name != "hf_tokenizer_name"}
    return open_clip.CLIP(**{**config, "text_cfg": text})
