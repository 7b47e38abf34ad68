"""Self-attention over all views of a prompt, for an ordinary diffusers U-Net.

The views' tokens are laid end to end for every self-attention (`attn1`). Nothing else mixes views: cross-attention,
convolutions and norms act on each alone, and there is no positional code for the view.
"""

from diffusers.models.attention_processor import Attention, AttnProcessor2_0
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from torch import Tensor


class MultiViewAttention(AttnProcessor2_0):
    """Attend over the tokens of `num_views` consecutive rows together.

    The count is an attribute because call arguments would reach the cross-attention's processors as well.
    """

    def __init__(self, num_views: int) -> None:
        super().__init__()
        self.num_views = num_views

    def __call__(
        self,
        attn: Attention,
        hidden_states: Tensor,  # [B*V, L, C]
        encoder_hidden_states: Tensor | None = None,
        attention_mask: Tensor | None = None,
        temb: Tensor | None = None,
    ) -> Tensor:  # [B*V, L, C]
        if encoder_hidden_states is not None or attention_mask is not None:
            raise ValueError("multi-view attention is self-attention without a mask")
        rows, tokens, channels = hidden_states.shape
        folded = hidden_states.reshape(rows // self.num_views, self.num_views * tokens, channels)
        return super().__call__(attn, folded, temb=temb).reshape(rows, tokens, channels)


def install_multiview_attention(unet: UNet2DConditionModel, num_views: int) -> None:
    """Replace the processor of every self-attention."""
    processor = MultiViewAttention(num_views)
    unet.set_attn_processor(
        {name: processor if _is_self_attention(name) else kept for name, kept in unet.attn_processors.items()}
    )
    require_multiview_attention(unet, num_views)


def require_multiview_attention(unet: UNet2DConditionModel, num_views: int) -> None:
    """Make sure that every self-attention folds `num_views` views.

    Switches for other attention kernels replace all processors without a word, and the model would go on with views
    that do not know of one another.

    Raises:
        RuntimeError: some do not, or there are none.
    """
    own = {name: processor for name, processor in unet.attn_processors.items() if _is_self_attention(name)}
    bare = [
        name
        for name, processor in own.items()
        if not isinstance(processor, MultiViewAttention) or processor.num_views != num_views
    ]
    if bare or not own:
        raise RuntimeError(
            f"{len(bare)} of {len(own)} self-attentions do not attend over {num_views} views: {', '.join(bare[:3])}"
        )


def _is_self_attention(name: str) -> bool:
    return name.endswith("attn1.processor")
