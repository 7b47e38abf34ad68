"""Parameter-efficient triplane adaptation (PETA): low-rank adapters for a latent diffusion model that makes six planes.

Adapters replace modules *by name*; a module that is not where it should be is an error. They are kept in float32 and
compute in the precision of what they are given, which is the frozen model's.
Legend: B prompts, P = 6 planes, L tokens of one plane, C and D channels, r rank.
"""

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from teachers.attention import install_multiview_attention

PLANES = 6
"""Planes of a prompt: xy, xz, yz for geometry, then xy, xz, yz for texture."""

ATTENTION_PROJECTIONS = ("to_q", "to_k", "to_v", "to_out.0")


class LoRALinear(nn.Module):
    """`base(x) + up(down(x))`, one adapter for all planes."""

    def __init__(self, base: nn.Linear, rank: int) -> None:
        super().__init__()
        self.base = base
        self.down = nn.Parameter(torch.randn(rank, base.in_features, device=base.weight.device) / rank)
        self.up = nn.Parameter(torch.zeros(base.out_features, rank, device=base.weight.device))

    def forward(self, x: Tensor) -> Tensor:  # [..., C] -> [..., D]
        return self.base(x) + F.linear(F.linear(x, self.down.to(x.dtype)), self.up.to(x.dtype))


class PlaneLoRALinear(nn.Module):
    """A linear layer with an adapter for each of the six planes, over tokens folded plane after plane.

    Args:
        base: the frozen layer.
        rank: of each plane's adapter.
        series: apply the adapter to the layer's *output*, `h + up(down(h))`, instead of beside it. The released
            checkpoints were trained so for the output projection.
    """

    def __init__(self, base: nn.Linear, rank: int, series: bool = False) -> None:
        super().__init__()
        self.base = base
        self.series = series
        inner = base.out_features if series else base.in_features
        self.down = nn.Parameter(torch.randn(PLANES, rank, inner, device=base.weight.device) / rank)
        self.up = nn.Parameter(torch.zeros(PLANES, base.out_features, rank, device=base.weight.device))

    def forward(self, x: Tensor) -> Tensor:  # [B, P*L, C] -> [B, P*L, D]
        projected = self.base(x)
        planes = (projected if self.series else x).unflatten(1, (PLANES, -1))  # [B, P, L, C]
        change = planes @ self.down.mT.to(x.dtype) @ self.up.mT.to(x.dtype)
        return projected + change.flatten(1, 2)


class LoRAConv2d(nn.Module):
    """`base(x) + up(down(x))`: `down` has the base's kernel, stride and padding, `up` is 1x1."""

    def __init__(self, base: nn.Conv2d, rank: int) -> None:
        super().__init__()
        self.base = base
        device = base.weight.device
        self.down = nn.Parameter(torch.randn(rank, base.in_channels, *base.kernel_size, device=device) / rank)
        self.up = nn.Parameter(torch.zeros(base.out_channels, rank, 1, 1, device=device))

    def forward(self, x: Tensor) -> Tensor:  # [N, C, H, W] -> [N, D, H', W']
        base = self.base
        inner = F.conv2d(x, self.down.to(x.dtype), stride=base.stride, padding=base.padding)  # type: ignore[arg-type]
        return base(x) + F.conv2d(inner, self.up.to(x.dtype))


class PlaneOutput(nn.Module):
    """The decoder's new last convolution: one half of its filters for the geometry planes, the other for texture.

    The released weights hold both halves for every plane and throw one away; here only the half that is used is
    computed, from the same parameters.
    """

    def __init__(self, in_channels: int, plane_channels: int, device: torch.device | None = None) -> None:
        super().__init__()
        initial = nn.Conv2d(in_channels, 2 * plane_channels, 3, padding=1, device=device)
        self.weight = initial.weight  # [2*C, in, 3, 3]
        self.bias = nn.Parameter(initial.bias.detach())  # type: ignore[union-attr] # [2*C]

    def forward(self, x: Tensor) -> Tensor:  # [B*P, in, H, W] -> [B*P, C, H, W]
        weights, biases = self.weight.to(x.dtype), self.bias.to(x.dtype)
        geometry, texture = x.unflatten(0, (-1, 2, PLANES // 2)).unbind(1)  # [B, 3, in, H, W] each
        maps = [
            F.conv2d(part.flatten(0, 1), weight, bias, padding=1).unflatten(0, part.shape[:2])
            for part, weight, bias in zip((geometry, texture), weights.chunk(2), biases.chunk(2), strict=True)
        ]
        return torch.cat(maps, dim=1).flatten(0, 1)


def adapt_unet(unet: nn.Module, rank: int, adaptation: Literal["peta", "lora", "full"]) -> None:
    """Give every self-attention of `unet` sight of all six planes, and adapters to attention and convolutions.

    Raises:
        LookupError: the U-Net has no attention blocks or no ResBlocks where diffusers puts them.
    """
    attentions = _attentions(unet)
    install_multiview_attention(unet, PLANES)  # type: ignore[arg-type]
    if adaptation == "full":
        return
    for name in attentions:
        own_planes = name.endswith("attn1")
        for projection in ATTENTION_PROJECTIONS:
            base = unet.get_submodule(f"{name}.{projection}")
            if own_planes and adaptation == "peta":
                adapter: nn.Module = PlaneLoRALinear(base, rank, series=projection == "to_out.0")  # type: ignore[arg-type]
            else:
                # The shared adapter of plain LoRA gets the rank that all six planes' have together.
                adapter = LoRALinear(base, rank * PLANES if own_planes else rank)  # type: ignore[arg-type]
            unet.set_submodule(f"{name}.{projection}", adapter)
    _adapt_convolutions(unet, rank, skip=("conv_in", "conv_out"))


def adapt_decoder(decoder: nn.Module, rank: int, plane_channels: int, adaptation: str) -> None:
    """Adapters for a VAE decoder, and an output of planes in place of colours.

    Raises:
        LookupError: the decoder has no middle attention or no ResBlocks where diffusers puts them.
    """
    if adaptation != "full":
        attention = "mid_block.attentions.0"
        for projection in ATTENTION_PROJECTIONS:
            try:
                base = decoder.get_submodule(f"{attention}.{projection}")
            except AttributeError:
                raise LookupError(f"the VAE decoder has no {attention}.{projection}") from None
            decoder.set_submodule(f"{attention}.{projection}", LoRALinear(base, rank))  # type: ignore[arg-type]
        _adapt_convolutions(decoder, rank, skip=("conv_in", "conv_out"))
    rgb_output = decoder.get_submodule("conv_out")
    assert isinstance(rgb_output, nn.Conv2d)
    decoder.set_submodule("conv_out", PlaneOutput(rgb_output.in_channels, plane_channels, rgb_output.weight.device))


def _attentions(unet: nn.Module) -> list[str]:
    names = [name for name, _ in unet.named_modules() if name.endswith((".attn1", ".attn2"))]
    if not names:
        raise LookupError("the U-Net has no attn1 or attn2 module to adapt")
    return names


def _adapt_convolutions(model: nn.Module, rank: int, skip: tuple[str, ...]) -> None:
    """All convolutions of ResBlocks and of down- and upsamplers, i.e. all but the first and the last of the model."""
    names = [
        name
        for name, module in model.named_modules()
        if isinstance(module, nn.Conv2d)
        and name.startswith(("down_blocks", "mid_block", "up_blocks"))
        and not name.endswith((*skip, "proj_in", "proj_out"))
    ]
    if not any(".resnets." in name for name in names):
        raise LookupError(f"{type(model).__name__} has no ResBlock convolution to adapt")
    for name in names:
        model.set_submodule(name, LoRAConv2d(model.get_submodule(name), rank))  # type: ignore[arg-type]
