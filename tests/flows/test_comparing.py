"""What is shown beside a checkpoint's meshes comes from the generator and the teachers that the recipe names."""

from pathlib import Path

import pytest

from flows.comparing import make_references, reference_inputs
from flows.recipe import Recipe, read_recipe
from infra.errors import MissingError

PROMPTS = ["a red cube", "a blue sphere"]
OFF = ["evaluation.compare_untrained=false", "evaluation.compare_teachers=false"]
SMALL = ["evaluation.views.resolution=32", "generator.surface_resolution=16", "train.seed=5"]


def recipe_with(*overrides: str) -> Recipe:
    return read_recipe("miniature", [*OFF, *SMALL, *overrides])


@pytest.fixture
def checkpoint(publish_untrained) -> Path:
    return publish_untrained(recipe_with().generator, 5)


def test_before_training_is_where_training_starts(checkpoint: Path) -> None:
    from evaluation.views import render_views
    from prd.inference import TextToMesh

    recipe = recipe_with("evaluation.compare_untrained=true")
    (before,) = make_references(recipe, checkpoint, PROMPTS)
    assert before.name == "before training"
    for made in TextToMesh.from_checkpoint(checkpoint).generate(PROMPTS, recipe.evaluation.seeds[0]):
        picture = render_views(made.mesh, recipe.evaluation.views).colour
        assert (before.pictures[made.prompt] == picture).all()


def test_every_teacher_is_sampled_for_every_distinct_prompt(checkpoint: Path) -> None:
    recipe = recipe_with("evaluation.compare_teachers=true")
    references = make_references(recipe, checkpoint, [*PROMPTS, PROMPTS[0]])
    assert [reference.name for reference in references] == list(recipe.teachers)
    for reference in references:
        assert list(reference.pictures) == PROMPTS
        assert len({views.shape for views in reference.pictures.values()}) == 1


def test_nothing_is_compared_unless_asked_for(checkpoint: Path) -> None:
    assert make_references(recipe_with(), checkpoint, PROMPTS) == []
    assert reference_inputs(recipe_with(), checkpoint) == {}


def test_what_determines_the_references_is_in_their_inputs(checkpoint: Path) -> None:
    both = ("evaluation.compare_untrained=true", "evaluation.compare_teachers=true")
    inputs = reference_inputs(recipe_with(*both), checkpoint)
    teachers = recipe_with().teachers
    assert {f"teacher {name}" for name in teachers} < set(inputs)
    moved = reference_inputs(recipe_with(*both, "teachers.mvdream.placement=local"), checkpoint)
    assert moved == inputs
    for change in (
        "train.seed=6",
        "teachers.mvdream.prompt_suffix=toy",
        "teachers.mvdream.weights=miniature/richdreamer",
    ):
        assert reference_inputs(recipe_with(*both, change), checkpoint) != inputs


def test_missing_weights_are_said_before_any_work(checkpoint: Path) -> None:
    recipe = recipe_with("evaluation.compare_teachers=true", "teachers.mvdream.weights=nowhere")
    with pytest.raises(MissingError, match="nowhere"):
        reference_inputs(recipe, checkpoint)
