"""CLIP's tokenizer from the vocabulary that open_clip brings: checkpoints hold none."""

import gzip
from importlib.resources import files
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from transformers import CLIPTokenizer

_MERGES = 49152 - 256 - 2
"""The file has more; CLIP was trained with so many."""
_START, _END = "<|startoftext|>", "<|endoftext|>"
_WORD_END = "</w>"
LENGTH = 77


def clip_tokenizer(pad_token: str) -> "CLIPTokenizer":
    """The tokenizer of OpenAI's and OpenCLIP's models: 49,408 tokens, texts of 77.

    Args:
        pad_token: `!` (0) as in Stable Diffusion 2, or the end token (49407) as in Stable Diffusion 1. All 77 tokens
            are attended to, so a wrong one changes every result.
    """
    from tokenizers.pre_tokenizers import ByteLevel
    from transformers import CLIPTokenizer

    packed = (files("open_clip") / "bpe_simple_vocab_16e6.txt.gz").read_bytes()
    lines = gzip.decompress(packed).decode("utf-8").split("\n")[1 : 1 + _MERGES]
    merges = [(left, right) for left, right in (line.split() for line in lines)]
    # Bytes in the order of the original: printable ones first, then the stand-ins for the others.
    alphabet = sorted(ByteLevel.alphabet())
    pieces = [*alphabet, *(letter + _WORD_END for letter in alphabet), *(left + right for left, right in merges)]
    vocabulary = {piece: index for index, piece in enumerate([*pieces, _START, _END])}
    return CLIPTokenizer(
        vocab=vocabulary,
        merges=merges,  # type: ignore[arg-type]  # pairs are what it takes
        pad_token=pad_token,
        model_max_length=LENGTH,
    )
