"""The whole recipe."""

from evaluation.config import EvaluationConfig
from infra.recipe import load_recipe
from prd.config import TrainingRecipe
from prompts.config import CorpusConfig
from teachers.registry import require_kind


class Recipe(TrainingRecipe):
    """Everything that determines a run of the pipeline, and the resources it runs on."""

    corpus: CorpusConfig
    evaluation: EvaluationConfig

    def all_weights(self) -> list[str]:
        """References of all pretrained models that any stage loads."""
        return sorted({*self.weights(), self.evaluation.clip.weights})


def read_recipe(name_or_path: str, overrides: list[str] | None = None) -> Recipe:
    """A recipe by name or path, with `section.key=value` overrides.

    Raises:
        RecipeError: it does not exist or does not validate.
    """
    recipe = load_recipe(name_or_path, overrides or [], Recipe)
    for name, teacher in recipe.teachers.items():
        require_kind(name, teacher)
    return recipe
