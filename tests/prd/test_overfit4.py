"""One denoising step, both renderers and the optimiser against a known answer: the sphere becomes the solid."""

import pytest
import torch

from flows.recipe import read_recipe
from infra.weights import resolve_weights
from prd.distill import Batch, distill
from prd.generator import TriplaneGenerator
from prd.optim import Adan
from prd.render.mesh import render_mesh
from teachers.cameras import orbit
from teachers.config import TeacherConfig
from teachers.miniature.scene import parse
from teachers.miniature.world import render
from teachers.pool import TeacherPool
from teachers.text import TextEncoder

PROMPT = "a red cube on a blue cylinder"
ITERATIONS = 200


@pytest.mark.parametrize("renderer", ["mesh", "volume"])
def test_the_sphere_becomes_the_solid(home, renderer):
    other = "mesh" if renderer == "volume" else "volume"
    recipe = read_recipe("miniature", [f"train.{other}=null", "generator.steps=4"])
    base = resolve_weights(recipe.generator.base)
    student = TriplaneGenerator.untrained(base, recipe.generator, seed=0)
    text = TextEncoder.from_folder(base, torch.device("cpu")).encode([PROMPT])
    optimiser = Adan(student.parameter_groups(recipe.train.learning_rate, recipe.train.head_learning_rate))
    teacher = TeacherConfig(
        kind="known_answer:KnownAnswer", weights="", resolution=32, guidance_scale=1.0, placement="local"
    )
    with TeacherPool.start({"answer": teacher}) as teachers:
        for step in range(ITERATIONS):
            batch = Batch((PROMPT,), text, progress=step / ITERATIONS, seed=step)
            distill(student, teachers, batch, recipe.train, torch.Tensor.backward)
            optimiser.step()
            optimiser.zero_grad()

    # From higher up than any view of training.
    cameras = orbit(torch.tensor([10.0, 60.0, 140.0, 290.0]), 40.0, 1.6, 60.0)
    fields = student.sample(student.initial_noise(1, torch.Generator().manual_seed(9)), text)
    with torch.no_grad():
        seen = render_mesh(fields, cameras, torch.ones(4, 3), read_recipe("miniature", []).train.mesh)
    wanted = render([parse(PROMPT)], cameras, 64)
    inside, expected = seen.opacity > 0.5, wanted.opacity > 0.5
    overlap = (inside & expected).sum((1, 2, 3)) / (inside | expected).sum((1, 2, 3))
    assert overlap.min() > 0.9
    assert (seen.rgb - wanted.rgb).abs().mean() < 0.1
