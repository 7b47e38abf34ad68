"""Original latent-diffusion (LDM) checkpoints as ordinary diffusers folders, for the multi-view teachers.

Key maps and configurations are functions of tensors alone and work at any width; `convert_file` turns a whole file into
a folder. Every tensor is accounted for: one that belongs nowhere, or one that is missing, is an error.
"""

from teachers.convert.original import FAMILIES, convert_file
from teachers.convert.text import convert_hf_text_encoder, convert_open_clip_text_encoder
from teachers.convert.unet import convert_unet
from teachers.convert.vae import convert_vae

__all__ = [
    "FAMILIES",
    "convert_file",
    "convert_hf_text_encoder",
    "convert_open_clip_text_encoder",
    "convert_unet",
    "convert_vae",
]
