"""Prompts to embeddings with the tokenizer and CLIP text tower of a diffusers folder.

Legend: B prompts, L tokens, D width.
"""

from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Self

import torch
from torch import Tensor

from teachers.folder import load_text_encoder, load_tokenizer

if TYPE_CHECKING:
    from transformers import CLIPTextModel, CLIPTokenizer


class TextEncoder:
    """Encodes prompts, and remembers the latest.

    Args:
        tokenizer: its own padding matters: every token is attended to, padding included.
        model: frozen text tower.
        cache_size: embeddings kept on the model's device, the least recently used go first.
    """

    def __init__(self, tokenizer: "CLIPTokenizer", model: "CLIPTextModel", cache_size: int) -> None:
        self._tokenizer = tokenizer
        self._model = model
        self._cache: OrderedDict[str, Tensor] = OrderedDict()
        self._cache_size = cache_size
        self.length: int = min(tokenizer.model_max_length, model.config.max_position_embeddings)
        self.width: int = model.config.hidden_size

    @classmethod
    def from_folder(
        cls, folder: Path, device: torch.device, dtype: torch.dtype = torch.float32, cache_size: int = 64
    ) -> Self:
        """The encoder of a diffusers folder.

        Raises:
            MissingError: `tokenizer/` or `text_encoder/` is missing or damaged.
        """
        return cls(load_tokenizer(folder), load_text_encoder(folder, device, dtype), cache_size)

    def tokens(self, prompt: str) -> Tensor:  # [1, L] int64
        """Token ids: padded to L, or cut to L with the end token kept."""
        encoded = self._tokenizer(
            [prompt], padding="max_length", truncation=True, max_length=self.length, return_tensors="pt"
        )
        return encoded.input_ids

    def is_cut(self, prompt: str) -> bool:
        """Whether a prompt has more tokens than are read."""
        # One more than fits tells; all of them would draw the library's own warning.
        return len(self._tokenizer(prompt, truncation=True, max_length=self.length + 1).input_ids) > self.length

    def encode(self, prompts: Sequence[str]) -> Tensor:  # [B, L, D]
        """Last hidden states, after the tower's final norm, in its own dtype and on its device; without gradient."""
        return torch.stack([self._embedding(prompt) for prompt in prompts])

    def _embedding(self, prompt: str) -> Tensor:  # [L, D]
        embedding = self._cache.get(prompt)
        if embedding is None:
            # One at a time, so that its last digits do not depend on which prompts were asked for together.
            with torch.no_grad():
                embedding = self._model(self.tokens(prompt).to(self._model.device)).last_hidden_state[0]
            self._cache[prompt] = embedding
            if len(self._cache) > self._cache_size:
                self._cache.popitem(last=False)
        else:
            self._cache.move_to_end(prompt)
        return embedding
