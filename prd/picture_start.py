"""A start for colour: what the base model's own decoder would draw."""

import torch
from torch import nn

from prd.adapters import PlaneOutput
from prd.fields import FieldHead

_STEEPNESS = 2.0
"""Of the logit over a value in [-1, 1]: the sigmoid then has the slope of the way from [-1, 1] to [0, 1]."""


@torch.no_grad()
def start_from_picture(output: PlaneOutput, rgb_output: nn.Conv2d, colour: FieldHead) -> None:
    """Let texture planes begin as the decoder's pictures, and the colour of a point as the mean of its three texels.

    Random new layers make a colour that says nothing of the prompt, and a short run spends itself on finding hues that
    the base model knows. Three channels and six hidden units are set; the rest stays random.

    Args:
        output: the new last convolution.
        rgb_output: the decoder's own, which it replaces.
        colour: the head that reads the three texture planes side by side.

    Raises:
        ValueError: there are fewer than three plane channels or six hidden units.
    """
    channels, width = output.weight.shape[0] // 2, len(colour.first)
    if channels < 3 or width < 6:
        raise ValueError("a picture needs three plane channels and six hidden units")
    assert rgb_output.bias is not None
    output.weight[channels : channels + 3] = rgb_output.weight
    output.bias[channels : channels + 3] = rgb_output.bias

    colour.first[:6] = 0.0
    colour.second[:6] = 0.0
    colour.second[range(6), range(6)] = 1.0
    colour.last.zero_()  # nothing but the picture; the other units' share grows from here
    for value in range(3):
        for plane in range(3):
            # A value and its opposite, because the layers between pass on nothing negative.
            colour.first[value, plane * channels + value] = 1 / 3
            colour.first[value + 3, plane * channels + value] = -1 / 3
        colour.last[value, value] = _STEEPNESS
        colour.last[value, value + 3] = -_STEEPNESS
