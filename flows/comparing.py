"""What is shown beside a checkpoint's meshes: the generator before training, and the teachers' own samples."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from flows.recipe import Recipe
from infra.config import digest
from infra.progress import track
from infra.weights import resolve_weights, weights_digest

if TYPE_CHECKING:
    import torch

    from evaluation.references import Reference


def reference_inputs(recipe: Recipe, checkpoint: Path) -> dict[str, str]:
    """Digests of what determines the references, beside the evaluation's own settings.

    Raises:
        MissingError: weights are not on this machine.
    """
    from prd.published import generator_config

    inputs = {}
    if recipe.evaluation.compare_untrained:
        base = generator_config(checkpoint).base
        inputs["untrained seed"] = str(recipe.train.seed)
        inputs[f"weights {base}"] = weights_digest(resolve_weights(base))
    if recipe.evaluation.compare_teachers:
        for name, teacher in recipe.teachers.items():
            inputs[f"teacher {name}"] = weights_digest(resolve_weights(teacher.weights))
            inputs[f"settings of teacher {name}"] = digest(teacher.model_dump(mode="json", exclude={"placement"}))
    return inputs


def make_references(recipe: Recipe, checkpoint: Path, prompts: Sequence[str]) -> list["Reference"]:
    """The references that the recipe asks for, each made with the evaluation's first seed.

    Raises:
        MissingError: weights are not on this machine.
        RecipeError: a teacher cannot be sampled.
    """
    import torch

    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    prompts = list(dict.fromkeys(prompts))
    references = []
    if recipe.evaluation.compare_untrained:
        references.append(_untrained(recipe, checkpoint, prompts, device))
    if recipe.evaluation.compare_teachers:
        references += _teachers(recipe, prompts, device)
    return references


def _untrained(recipe: Recipe, checkpoint: Path, prompts: Sequence[str], device: "torch.device") -> "Reference":
    from evaluation.gallery import GeneratedMesh
    from evaluation.references import reference_of_meshes
    from evaluation.report import BEFORE_TRAINING
    from prd.generator import TriplaneGenerator
    from prd.inference import TextToMesh
    from prd.published import generator_config
    from teachers.text import TextEncoder

    config = generator_config(checkpoint)
    base = resolve_weights(config.base)
    generator = TriplaneGenerator.untrained(base, config, recipe.train.seed).to(device).eval()
    pipeline = TextToMesh(generator, TextEncoder.from_folder(base, device))
    made = track(pipeline.generate(prompts, recipe.evaluation.seeds[0]), BEFORE_TRAINING, total=len(prompts))
    return reference_of_meshes(BEFORE_TRAINING, map(GeneratedMesh.of, made), recipe.evaluation, device)


def _teachers(recipe: Recipe, prompts: Sequence[str], device: "torch.device") -> list["Reference"]:
    from evaluation.references import Reference
    from teachers.sampling import sample_teacher

    references = []
    for name, teacher in track(list(recipe.teachers.items()), "sampling the teachers"):
        pictures = sample_teacher(name, teacher, prompts, recipe.evaluation.seeds[0], device)
        references.append(Reference(name, dict(zip(prompts, pictures, strict=True))))
    return references
