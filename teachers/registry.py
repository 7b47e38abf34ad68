"""Which class a recipe's `kind` means."""

from importlib import import_module
from typing import TYPE_CHECKING

from infra.errors import RecipeError
from teachers.config import TeacherConfig

if TYPE_CHECKING:
    import torch

    from teachers.contract import Teacher, TeacherSpec

KINDS = {
    "stable_diffusion": "teachers.stable_diffusion:StableDiffusion",
    "mvdream": "teachers.mvdream:MVDream",
    "richdreamer": "teachers.richdreamer:RichDreamer",
}


def teacher_spec(name: str, config: TeacherConfig) -> "TeacherSpec":
    """What the teacher looks at, without loading its weights.

    Raises:
        RecipeError: there is no such kind.
    """
    return _teacher_class(name, config).describe(name, config)


def load_teacher(name: str, config: TeacherConfig, device: "torch.device") -> "Teacher":
    """The teacher with its weights on `device`.

    Raises:
        RecipeError: there is no such kind, or the weights are of another kind of model.
        MissingError: weights are missing or damaged.
    """
    return _teacher_class(name, config)(name, config, device)


def require_kind(name: str, config: TeacherConfig) -> tuple[str, str]:
    """Module and class that a `kind` names; nothing is imported.

    Raises:
        RecipeError: there is no such kind.
    """
    module, colon, attribute = KINDS.get(config.kind, config.kind).partition(":")
    if not colon:
        raise RecipeError(
            f"teachers.{name}.kind: there is no kind {config.kind!r}",
            f"one of {', '.join(KINDS)}, or package.module:Class for a teacher of your own",
        )
    return module, attribute


def _teacher_class(name: str, config: TeacherConfig) -> "type[Teacher]":
    module, attribute = require_kind(name, config)
    try:
        return getattr(import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise RecipeError(f"teachers.{name}.kind: {config.kind!r} cannot be imported: {error}") from error
