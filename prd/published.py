"""A generator as people publish and load it: what was trained, what it belongs to, and a model card.

<folder>/
  adapter.safetensors   all trained tensors, in float32
  generator.json        architecture and base model
  README.md             model card
"""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from infra.artifacts import sha256, write_json, write_text, write_whole
from infra.config import Config
from infra.errors import InputError, MissingError, UnavailableError
from infra.weights import resolve_weights
from prd.config import GeneratorConfig
from prd.model_card import model_card

if TYPE_CHECKING:
    from torch import Tensor

    from prd.generator import TriplaneGenerator

ADAPTER, GENERATOR, CARD = "adapter.safetensors", "generator.json", "README.md"
_FORMAT = 2
_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+", re.ASCII)


class _Description(Config):
    """The content of `generator.json`."""

    format: int = _FORMAT
    generator: GeneratorConfig
    base_sample: str
    """Tells the base model's weights from others (`prd.base_sample`)."""
    adapter_sha256: str


def write_generator(
    folder: Path,
    trained: "Mapping[str, Tensor]",
    config: GeneratorConfig,
    base_sample: "Tensor",
    facts: Mapping[str, str] | None = None,
) -> None:
    """Write a generator's published files.

    Args:
        folder: is made if it is missing; other files in it stay.
        trained: all trained tensors by name.
        config: the architecture; its `base` names the model that others need beside these files.
        base_sample: of that model (`TriplaneGenerator.base_sample`).
        facts: what the card tells about its making, name → value.

    Raises:
        InputError: the configuration names no base model.
    """
    from safetensors.torch import save_file

    from prd.base_sample import encode_sample

    if not config.base:
        raise InputError("the generator's configuration names no base model", "set `base`: others need it to load this")
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {name: tensor.contiguous() for name, tensor in trained.items()}
    write_whole(folder / ADAPTER, lambda path: save_file(tensors, path, {"format": "pt"}))
    description = _Description(
        generator=config, base_sample=encode_sample(base_sample), adapter_sha256=sha256(folder / ADAPTER)
    )
    write_json(folder / GENERATOR, description.model_dump(mode="json"))
    count = sum(tensor.numel() for tensor in trained.values())
    write_text(folder / CARD, model_card(config, count, facts or {}))


def is_published(folder: Path) -> bool:
    """Whether a folder holds a generator."""
    return (folder / GENERATOR).is_file() and (folder / ADAPTER).is_file()


def looks_like_hub_id(reference: str | Path) -> bool:
    """Whether a name has the form `owner/model`."""
    return _HUB_ID.fullmatch(str(reference)) is not None


def published_folder(reference: str | Path, revision: str | None = None) -> Path:
    """The folder of a generator: itself, or fetched from the Hub.

    Args:
        reference: a folder, or a Hub id such as `name/model`.
        revision: of the Hub's repository.

    Raises:
        MissingError: it is neither.
        UnavailableError: the Hub does not answer, or may not be asked, and nothing is cached.
    """
    if is_published(Path(reference)):
        return Path(reference).absolute()
    if Path(reference).exists() or not looks_like_hub_id(reference):
        raise MissingError(f"{reference} is not a generator: it has no {GENERATOR} or no {ADAPTER}")
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import (
        GatedRepoError,
        HFValidationError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    try:
        files = [ADAPTER, GENERATOR, CARD]
        folder = Path(snapshot_download(str(reference), revision=revision, allow_patterns=files))
    except GatedRepoError:
        raise MissingError(f"the Hub's {reference} is gated", "ask for access on its page and set HF_TOKEN") from None
    except (RepositoryNotFoundError, HFValidationError):
        raise MissingError(f"there is neither a folder {reference} here nor such a repository on the Hub") from None
    except RevisionNotFoundError:
        raise MissingError(f"the Hub's {reference} has no revision {revision}") from None
    except Exception as error:  # the Hub's library raises its own, its transport's and the system's
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise UnavailableError(
            f"there is no folder {reference}, and the Hub gave none: {reason}", "check the network and HF_HUB_OFFLINE"
        ) from None
    if not is_published(folder):
        raise MissingError(f"the Hub's {reference} is not a generator: it has no {GENERATOR} or no {ADAPTER}")
    return folder


def load_generator(
    folder: Path, base: str | None = None, precision: Literal["fp32", "bf16"] | None = None
) -> "TriplaneGenerator":
    """The generator of a folder, on the CPU.

    Args:
        folder: as of `write_generator`.
        base: where its base model is, if not where its configuration says.
        precision: of the frozen base model, if not the one that it was trained with.

    Raises:
        MissingError: a file, or the base model, is not here.
        InputError: a file is damaged or does not fit the architecture, or the base model is another.
    """
    from prd.base_sample import decode_sample, same_base
    from prd.generator import TriplaneGenerator

    description = _read(folder)
    changes = {"base": base, "precision": precision}
    try:
        kept = description.generator.model_dump()
        config = GeneratorConfig.model_validate(kept | {name: new for name, new in changes.items() if new is not None})
        sample = decode_sample(description.base_sample)
    except ValueError as error:
        raise InputError(f"{folder / GENERATOR}: {error}") from None
    weights = resolve_weights(config.base)
    try:
        generator = TriplaneGenerator.from_base(weights, config)
    except (LookupError, ValueError) as error:
        raise InputError(f"{folder} does not fit the base model in {weights}: {error}") from None
    if not same_base(sample, generator.base_sample):
        raise InputError(
            f"{folder} was trained on other weights than those in {weights}", "say where the right ones are as `base`"
        )
    _load_tensors(generator, folder, description)
    return generator.eval()


def generator_config(folder: Path) -> GeneratorConfig:
    """The architecture that `generator.json` names."""
    return _read(folder).generator


def load_trained(generator: "TriplaneGenerator", folder: Path) -> None:
    """Copy a folder's trained tensors into `generator`, each one accounted for.

    Raises:
        InputError: the file is damaged, or tensors are missing, left over, misshapen or not finite.
    """
    _load_tensors(generator, folder, _read(folder))


def _load_tensors(generator: "TriplaneGenerator", folder: Path, description: _Description) -> None:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    path = folder / ADAPTER
    try:
        tensors = load_file(path)
    except (OSError, SafetensorError) as error:
        raise InputError(f"{path} cannot be read: {error}") from None
    targets = dict(generator.trainable())
    odd = targets.keys() ^ tensors.keys()
    if odd:
        raise InputError(f"{path} does not fit its generator: {len(odd)} tensors differ, e.g. {min(odd)}")
    for name, target in targets.items():
        tensor = tensors[name]
        if target.shape != tensor.shape:
            raise InputError(f"{path}: {name} has shape {tuple(tensor.shape)}, expected {tuple(target.shape)}")
        if not tensor.isfinite().all():
            raise InputError(f"{path}: {name} has values that are not finite")
        target.data.copy_(tensor)
    if sha256(path) != description.adapter_sha256:
        raise InputError(f"{path} is not the one that {GENERATOR} beside it was written for")


def _read(folder: Path) -> _Description:
    path = folder / GENERATOR
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if (found := content["format"]) != _FORMAT:
            raise InputError(f"{path} has format {found}; this version reads {_FORMAT}")
        return _Description(**content)
    except FileNotFoundError:
        raise MissingError(f"{folder} is not a generator: it has no {GENERATOR}") from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path} cannot be read: {type(error).__name__}: {error}") from None
