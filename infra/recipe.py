"""Reading recipes: YAML files that may extend one another, with dotted overrides from the command line."""

import difflib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar, get_args

import yaml
from pydantic import BaseModel, ValidationError

from infra.errors import RecipeError
from infra.yaml_text import KeyTwiceError, load_yaml

SHIPPED = Path(__file__).parent / "recipes"
_HINT = "`prd config show` prints every key with its value"

RecipeT = TypeVar("RecipeT", bound=BaseModel)


def shipped_recipes() -> list[str]:
    """Names that `--recipe` accepts without a path."""
    return sorted(path.stem for path in SHIPPED.glob("*.yaml"))


def load_recipe(name_or_path: str, overrides: list[str], model: type[RecipeT]) -> RecipeT:
    """Resolve a recipe and validate it.

    Args:
        name_or_path: a shipped name (`miniature`) or the path of a YAML file.
        overrides: `section.key=value` strings; values are YAML.
        model: the pydantic model of the whole recipe.

    Raises:
        RecipeError: unknown name, bad YAML, a loop of `extends`, a misspelt key or a value out of range.
    """
    path = recipe_path(name_or_path)
    tree = _read_with_parents(path, seen=())
    apply_overrides(tree, overrides)
    return validate(tree, model, origin=f"{path} with your overrides" if overrides else str(path))


def validate(
    tree: dict[str, Any], model: type[RecipeT], origin: str, what: str = "recipe", hint: str = _HINT
) -> RecipeT:
    """`model.model_validate` with messages that name the key and the nearest valid one.

    Args:
        tree: as it was read.
        model: what it should be.
        origin: where it was read.
        what: what to call it.
        hint: where its keys are described.

    Raises:
        RecipeError: it is not valid.
    """
    try:
        return model.model_validate(tree)
    except ValidationError as error:
        issues = error.errors()
        # A section whose part is wrong is often reported as missing too.
        causes = [one for one in issues if not any(_is_above(one["loc"], other["loc"]) for other in issues)]
        lines = [_explain(issue, model) for issue in causes]
        raise RecipeError(
            f"{origin} is not a valid {what}:\n" + "\n".join(f"  - {line}" for line in lines),
            hint,
        ) from None


def recipe_path(name_or_path: str) -> Path:
    """File of a recipe name or path.

    Raises:
        RecipeError: there is none; the message suggests near names.
    """
    if name_or_path in shipped_recipes():
        return SHIPPED / f"{name_or_path}.yaml"
    path = Path(name_or_path)
    if path.suffix in {".yaml", ".yml"} and path.is_file():
        return path
    near = difflib.get_close_matches(name_or_path, shipped_recipes(), n=1)
    hint = f"did you mean {near[0]}?" if near else f"shipped recipes: {', '.join(shipped_recipes())}; or give a .yaml"
    raise RecipeError(f"there is no recipe {name_or_path!r}", hint)


def _read_with_parents(path: Path, seen: tuple[Path, ...]) -> dict[str, Any]:
    if path.resolve() in seen:
        raise RecipeError(f"{path}: `extends` goes round in a circle")
    try:
        tree = load_yaml(path.read_text(encoding="utf-8")) or {}
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise RecipeError(f"{path} is not YAML: {error}") from None
    if not isinstance(tree, dict):
        raise RecipeError(f"{path} must be a mapping of sections")
    # Called what its own file says, or like the file; never like the recipe it extends.
    tree["name"] = str(tree.get("name", path.stem))
    parent = tree.pop("extends", None)
    if parent is None:
        return tree
    beside = path.parent / str(parent)
    parent_path = beside if beside.is_file() else recipe_path(str(parent))
    return _merge(_read_with_parents(parent_path, (*seen, path.resolve())), tree)


def _merge(base: dict[str, Any], change: dict[str, Any]) -> dict[str, Any]:
    """Mappings merge key by key; anything else replaces."""
    merged = dict(base)
    for key, value in change.items():
        if isinstance(value, dict) and isinstance(merged.get(key), dict):
            merged[key] = _merge(merged[key], value)
        else:
            merged[key] = value
    return merged


def apply_overrides(tree: dict[str, Any], overrides: Sequence[str]) -> None:
    """Change a tree by `section.key=value` strings; values are YAML.

    Raises:
        RecipeError: one is of another form.
    """
    for override in overrides:
        _apply_override(tree, override)


def _apply_override(tree: dict[str, Any], override: str) -> None:
    dotted, equals, text = override.partition("=")
    keys = dotted.strip().split(".")
    if not equals or not all(keys):
        raise RecipeError(
            f"override {override!r} is not of the form section.key=value", "for example train.iterations=200"
        )
    try:
        value = load_yaml(text)
    except KeyTwiceError as error:
        raise RecipeError(f"override {override!r}: {error}") from None
    except yaml.YAMLError:
        value = text
    node = tree
    for key in keys[:-1]:
        if not isinstance(node.get(key), dict):
            node[key] = {}
        node = node[key]
    node[keys[-1]] = value


def _explain(issue: Any, model: type[BaseModel]) -> str:
    where = ".".join(str(part) for part in issue["loc"])
    if issue["type"] != "extra_forbidden":
        plain = isinstance(issue["input"], str | int | float | None)
        return f"{where}: {issue['msg']}" + (f" (got {issue['input']!r})" if plain else "")
    known = _fields_at(issue["loc"][:-1], model)
    near = difflib.get_close_matches(str(issue["loc"][-1]), known, n=1)
    suggestion = f"did you mean {near[0]!r}?" if near else f"known keys: {', '.join(known)}" if known else ""
    return f"{where}: unknown key; {suggestion}"


def _is_above(location: tuple[Any, ...], other: tuple[Any, ...]) -> bool:
    return len(location) < len(other) and other[: len(location)] == location


def _fields_at(location: tuple[Any, ...], model: type[BaseModel]) -> list[str]:
    """Field names of the section at `location`; empty where that is none."""
    section: Any = model
    for part in location:
        field = getattr(section, "model_fields", {}).get(part)
        section = field.annotation if field else _section_in(section)
    return list(getattr(_section_in(section), "model_fields", {}))


def _section_in(annotation: Any) -> Any:
    """The section that a list, a mapping or an optional of sections is made of."""
    if "root" in (fields := getattr(annotation, "model_fields", {})):
        return _section_in(fields["root"].annotation)
    if fields:
        return annotation
    return next((found for part in get_args(annotation) if (found := _section_in(part)) is not None), None)
