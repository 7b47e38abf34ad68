"""Recipes: every shipped one loads, mistakes are named, equal content has an equal digest."""

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from flows.recipe import read_recipe
from infra.config import RampConfig
from infra.errors import RecipeError
from infra.recipe import shipped_recipes


@pytest.mark.parametrize("name", shipped_recipes())
def test_every_shipped_recipe_loads(name):
    recipe = read_recipe(name)
    assert recipe.name == name
    again = type(recipe).model_validate(yaml.safe_load(yaml.safe_dump(recipe.model_dump(mode="json"))))
    assert again == recipe and again.digest() == recipe.digest()


def test_ablations_differ_from_what_they_extend():
    base = read_recipe("sd21").training_digest()
    names = [name for name in shipped_recipes() if name.startswith("sd21-") and name != "sd21-1.6m"]
    digests = {read_recipe(name).training_digest() for name in names}
    assert len(digests) == len(names) == 11 and base not in digests


def test_overrides_and_extends(tmp_path):
    (tmp_path / "mine.yaml").write_text("name: mine\nextends: miniature\ntrain: {iterations: 3}\n")
    recipe = read_recipe(str(tmp_path / "mine.yaml"), ["train.workers=1", "teachers.mvdream=null"])
    assert (recipe.name, recipe.train.iterations, recipe.train.workers) == ("mine", 3, 1)
    assert set(recipe.teachers) == {"stable_diffusion", "richdreamer"}


@pytest.mark.parametrize(
    ("overrides", "says"),
    [
        (["train.iteratons=3"], "did you mean 'iterations'"),
        (["trian.iterations=3"], "did you mean 'train'"),
        (["train.iterations=-3"], "greater than 0"),
        (["train.iterations"], "not of the form"),
        (["generator.adaptation=magic"], "'peta'"),
        (["train.volume=null", "train.mesh=null"], "not both"),
        (["teachers={}", "teachers.mvdream=null", "teachers.richdreamer=null", "teachers.stable_diffusion=null"], ""),
        (["name=../escape"], "pattern"),
        (["corpus.sources=[{path: a.txt, feild: x}]"], "did you mean 'field'"),
        (["teachers.mvdream.resolutoin=3"], "did you mean 'resolution'"),
    ],
)
def test_mistakes_are_named(overrides, says):
    with pytest.raises(RecipeError, match=says):
        read_recipe("miniature", overrides)


def test_a_recipe_is_called_like_its_file_unless_it_says_otherwise(tmp_path):
    (tmp_path / "quick.yaml").write_text("extends: miniature\n")
    assert read_recipe(str(tmp_path / "quick.yaml")).name == "quick"


def test_mistaken_files_are_named(tmp_path):
    with pytest.raises(RecipeError, match="did you mean miniature"):
        read_recipe("miniatur")
    loop = tmp_path / "loop.yaml"
    loop.write_text("extends: loop.yaml\n")
    with pytest.raises(RecipeError, match="circle"):
        read_recipe(str(loop))
    broken = tmp_path / "broken.yaml"
    broken.write_text("train: [")
    with pytest.raises(RecipeError, match="not YAML"):
        read_recipe(str(broken))


def test_a_key_given_twice_is_named_with_its_lines(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("extends: miniature\ntrain:\n  iterations: 3\n  workers: 1\n  iterations: 4\n")
    with pytest.raises(
        RecipeError, match=r"mine\.yaml is not YAML: the key `iterations` is given twice, in lines 3 and 5"
    ):
        read_recipe(str(path))
    with pytest.raises(RecipeError, match="the key `path` is given twice"):
        read_recipe("miniature", ["corpus.sources=[{path: a.txt, path: b.txt}]"])
    path.write_text("extends: miniature\ntrain: &own\n  iterations: 3\ncluster: {max_restarts: 5}\n")
    assert read_recipe(str(path)).train.iterations == 3


def test_placement_is_no_part_of_the_training_digest():
    here = read_recipe("miniature").training_digest()
    assert here == read_recipe("miniature", ["teachers.mvdream.placement=local"]).training_digest()
    assert here == read_recipe("miniature", ["cluster.max_restarts=5"]).training_digest()
    assert here != read_recipe("miniature", ["teachers.mvdream.shift=0.2"]).training_digest()


@given(st.floats(-5, 5), st.floats(-5, 5), st.floats(0, 0.9), st.floats(0.05, 2), st.floats(0, 1))
def test_a_ramp_stays_between_its_ends(start, end, begin, length, progress):
    value = RampConfig(start=start, end=end, from_fraction=begin, to_fraction=begin + length).at(progress)
    assert min(start, end) - 1e-9 <= value <= max(start, end) + 1e-9


def test_ramps_follow_the_reference(golden):
    """Its schedules count 20,000 steps of a run of 15,000."""
    facts = golden("schedules").facts
    values = facts["config_v1"]["values"]
    guidance = RampConfig(start=20, end=10, to_fraction=4 / 3)
    timestep = RampConfig(start=0.5, end=0.02, to_fraction=4 / 3)
    for index, step in enumerate(facts["steps"]):
        if step <= 15_000:
            assert guidance.at(step / 15_000) == pytest.approx(values["mv_guidance_scale"][index])
            assert timestep.at(step / 15_000) == pytest.approx(values["sd_min_step_percent"][index])
