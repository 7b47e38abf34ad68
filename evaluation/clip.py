"""The judge: an open_clip model from a local folder, with the preprocessing that is stored beside its weights.

Legend: M images, N texts, D feature size, H rows, W columns.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from evaluation.config import ClipConfig
from infra.errors import MissingError
from infra.weights import resolve_weights

_CONFIG = "open_clip_config.json"


@dataclass(frozen=True)
class ClipScorer:
    """A frozen CLIP that turns views and prompts into features."""

    model: Any
    preprocess: Any
    """Resize, crop and normalise a PIL image to the tensor the model was trained on."""
    tokenize: Any
    device: torch.device
    batch_size: int = 64

    @classmethod
    def from_folder(cls, folder: Path, device: torch.device | str = "cpu", batch_size: int = 64) -> "ClipScorer":
        """Load an open_clip folder; nothing is fetched.

        Raises:
            MissingError: the folder lacks its configuration, its weights, or the mean and standard deviation its
                images were normalised with (a default would silently score something else).
        """
        _check(folder)
        import open_clip

        name = f"local-dir:{folder}"
        try:
            loaded: Any = open_clip.create_model_from_pretrained(name, device=device)
            tokenize = open_clip.get_tokenizer(name)
        except Exception as error:  # a damaged folder fails in as many ways as there are parsers
            first_line = (str(error).strip() or type(error).__name__).splitlines()[0]
            raise MissingError(
                f"{folder} does not load as an open_clip model: {first_line}",
                "its open_clip_config.json and weights must belong together",
            ) from error
        model, preprocess = loaded
        return cls(model.eval(), preprocess, tokenize, torch.device(device), batch_size)

    @classmethod
    def from_config(cls, config: ClipConfig, device: torch.device | str = "cpu") -> "ClipScorer":
        """The model that a recipe names.

        Raises:
            MissingError: its weights are not on this machine or not complete.
        """
        return cls.from_folder(resolve_weights(config.weights), device, config.batch_size)

    @torch.inference_mode()
    def image_features(self, images: Tensor) -> Tensor:  # [M, H, W, 3] uint8 -> [M, D]
        """Unit features of images, float32 on the CPU."""
        from PIL import Image

        pixels = [self.preprocess(Image.fromarray(image.numpy())) for image in images]
        return self._in_batches(pixels, lambda batch: self.model.encode_image(torch.stack(batch).to(self.device)))

    @torch.inference_mode()
    def text_features(self, texts: Sequence[str]) -> Tensor:  # [N, D]
        """Unit features of texts, float32 on the CPU; a text longer than the context is cut."""
        return self._in_batches(texts, lambda batch: self.model.encode_text(self.tokenize(batch).to(self.device)))

    def _in_batches(self, items: Sequence[Any], encode: Any) -> Tensor:
        parts = []
        for start in range(0, len(items), self.batch_size):
            features = encode(list(items[start : start + self.batch_size]))
            parts.append(torch.nn.functional.normalize(features.float(), dim=-1).cpu())
        return torch.cat(parts)


def sentence(prompt: str, config: ClipConfig) -> str:
    """The text that stands for a prompt before CLIP."""
    if config.compat:
        return config.text_prefix.rstrip() + prompt.replace(",", "").replace(".", "").replace("_", " ")
    return config.text_prefix + prompt


def encodable(text: str) -> str:
    """Without lone surrogates, which JSON input may hold and no file can."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _check(folder: Path) -> None:
    path = folder / _CONFIG
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise MissingError(f"{folder} has no {_CONFIG}", "evaluation.clip.weights needs an open_clip folder") from None
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise MissingError(f"{path} cannot be read: {error}") from None
    absent = {"mean", "std"} - set(stored.get("preprocess_cfg", {}))
    if absent:
        raise MissingError(
            f"{path} does not say how images are normalised: preprocess_cfg lacks {', '.join(sorted(absent))}",
            "add the values the model was trained with; a wrong default changes every score",
        )
    if not any(folder.glob("*.safetensors")) and not any(folder.glob("*.bin")):
        raise MissingError(f"{folder} has no weights", "put open_clip_model.safetensors there")
