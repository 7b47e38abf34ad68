"""The shipped teachers: what they look at, what their gradient is, what it depends on."""

import json
import shutil
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file, save_file
from specimens import request_for

from infra.errors import InputError, MissingError, RecipeError
from infra.seeds import generator_for
from teachers.camera_inputs import richdreamer_cameras
from teachers.conformance import find_breaches
from teachers.registry import KINDS, load_teacher, teacher_spec

CPU = torch.device("cpu")


@pytest.fixture(scope="module", params=KINDS)
def teacher(request, configure):
    return load_teacher(request.param, configure(request.param, shift=0.1), CPU)


@pytest.mark.parametrize(
    ("kind", "maps", "views", "channels", "resize"),
    [
        ("stable_diffusion", ("rgb",), 1, 3, "bilinear"),
        ("mvdream", ("rgb",), 4, 3, "bilinear"),
        ("richdreamer", ("normal", "disparity"), 4, 4, "average"),
    ],
)
def test_spec_is_known_without_weights(configure, kind, maps, views, channels, resize):
    spec = teacher_spec("one", configure(kind, weights="nowhere", resolution=32))
    assert (spec.name, spec.maps, spec.views, spec.channels, spec.resize) == ("one", maps, views, channels, resize)
    assert spec.resolution == 32


def test_equal_requests_get_equal_replies(teacher):
    request = request_for(teacher.spec)
    first, second = teacher(request), teacher(request)
    assert torch.equal(first.gradient, second.gradient)
    assert first.metrics == second.metrics
    assert first.gradient.shape == request.pixels.shape
    assert first.gradient.isfinite().all() and first.gradient.norm() > 0
    assert set(first.metrics) >= {"loss", "gradient_norm", "timestep", "weight"}
    assert not torch.equal(teacher(replace(request, seed=12)).gradient, first.gradient)


def test_callers_grad_mode_and_autocast_do_not_reach_in(teacher):
    request = request_for(teacher.spec)
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        inside = teacher(request)
    assert torch.equal(inside.gradient, teacher(request).gradient)


def test_request_is_left_alone(teacher):
    request = request_for(teacher.spec)
    copies = [value.clone() for value in (request.pixels, request.c2w, request.relative_distance)]
    teacher(request)
    for value, copy in zip((request.pixels, request.c2w, request.relative_distance), copies, strict=True):
        assert torch.equal(value, copy)
        assert not value.requires_grad


@pytest.mark.parametrize("kind", KINDS)
def test_gradient_is_the_derivative_of_the_loss(configure, kind):
    """Finite differences of ½‖z(x) - (z(x0) - g)‖² / N along a random direction, in a loop of our own."""
    weight = 0.7
    teacher = load_teacher(kind, configure(kind, weight=weight), CPU)
    request = request_for(teacher.spec)
    reply = teacher(request)
    with torch.no_grad():
        latents = teacher.encode(request.pixels, request.seed)
        g, _ = teacher._distil(latents, request)
        target = latents - g

        def loss(pixels):
            return weight * 0.5 * (teacher.encode(pixels, request.seed) - target).double().square().sum() / len(g)

        direction = torch.randn(request.pixels.shape, generator=generator_for("direction")) * 1e-3
        difference = (loss(request.pixels + direction) - loss(request.pixels - direction)) / 2
    assert reply.metrics["loss"] == pytest.approx(loss(request.pixels).item(), rel=1e-5)
    expected = (reply.gradient.double() * direction.double()).sum()
    scale = reply.gradient.norm() * direction.norm()
    assert abs(difference - expected) < 1e-3 * scale
    assert reply.metrics["gradient_norm"] == pytest.approx(reply.gradient.norm().item(), rel=1e-6)


def change(teacher, request, **fields):
    """How far the gradient moves, relative to its size."""
    before, after = teacher(request).gradient, teacher(replace(request, **fields)).gradient
    return ((after - before).norm() / before.norm()).item()


def test_gradient_depends_on_text_and_progress(teacher):
    request = request_for(teacher.spec)
    assert change(teacher, request, prompts=("a green torus", "a blue sphere")) > 0.01
    assert change(teacher, request, progress=0.9) > 0.01


def test_gradient_depends_on_cameras_of_multiview_teachers_only(teacher):
    request = request_for(teacher.spec)
    moved = change(teacher, request, c2w=request.c2w.roll(1, dims=0))
    assert moved > 0.01 if teacher.spec.views == 4 else moved == 0


@pytest.mark.parametrize("kind", ["mvdream", "richdreamer"])
def test_views_of_a_prompt_are_judged_together_and_prompts_apart(configure, kind):
    teacher = load_teacher(kind, configure(kind), CPU)
    request = request_for(teacher.spec)
    pixels = request.pixels.clone()
    pixels[3] = 1 - pixels[3]
    before, after = teacher(request).gradient, teacher(replace(request, pixels=pixels)).gradient
    assert ((after - before)[0].norm() / before[0].norm()) > 0.01
    torch.testing.assert_close(after[4:], before[4:], rtol=1e-3, atol=1e-4 * before.abs().max().item())


@pytest.mark.parametrize("weighting", ["paper", "reference"])
def test_call_is_the_formula_with_one_pass_a_branch(configure, weighting):
    """The same gradient from three separate passes: order of branches, shared noise, cameras, one t a prompt."""
    config = configure("richdreamer", shift=0.5, weighting=weighting, weight_over="prompt", negative_prompt="flat")
    teacher = load_teacher("rd", config, CPU)
    request = request_for(teacher.spec)
    seed, low, high = request.seed, int(1000 * (0.5 - 0.4 * 0.48)), 980
    z = 2 * request.pixels - 1
    t = torch.randint(low, high, (2,), generator=generator_for(seed, "timestep"))
    u = torch.rand(2, generator=generator_for(seed, "shift"))
    t_plus = (t + (u * torch.minimum(0.5 * (t - low), 999 - t)).floor().long()).repeat_interleave(4)
    t = t.repeat_interleave(4)
    assert (t_plus > t).all()
    noise = torch.randn(z.shape, generator=generator_for(seed, "noise"))
    cameras = richdreamer_cameras(request.c2w, request.relative_distance)
    alpha, sigma = (values.view(-1, 1, 1, 1) for values in (teacher.abar.sqrt(), (1 - teacher.abar).sqrt()))

    def predict(steps, prompts):
        text = teacher.text.encode(prompts).repeat_interleave(4, dim=0)
        noisy = alpha[steps] * z + sigma[steps] * noise
        return noisy, teacher.unet(noisy, steps, encoder_hidden_states=text, class_labels=cameras).sample

    with torch.no_grad():
        noisy, cond = predict(t, request.prompts)
        _, negative = predict(t, ("flat", "flat"))
        noisy_plus, second = predict(t_plus, request.prompts)
    guided = negative + 7.5 * (cond - negative)
    if weighting == "reference":
        noisy, noisy_plus, t_plus = z, z, t
    first_clean = (noisy - sigma[t] * guided) / alpha[t]
    second_clean = (noisy_plus - sigma[t_plus] * second) / alpha[t_plus]
    weight = (z - first_clean).abs().view(2, -1).mean(dim=1).repeat_interleave(4).view(-1, 1, 1, 1)
    expected = 2 * (second_clean - first_clean) / (weight + 0.1) / len(z)  # 2 from the range, [0, 1] to [-1, 1]
    actual = teacher(request).gradient
    torch.testing.assert_close(actual, expected, rtol=0, atol=1e-4 * expected.abs().max().item())


def test_input_range_of_geometry(configure):
    unit = load_teacher("rd", configure("richdreamer", input_range="unit"), CPU)
    pixels = request_for(unit.spec).pixels
    assert torch.equal(unit.encode(pixels, 0), pixels)
    signed = load_teacher("rd", configure("richdreamer"), CPU)
    assert torch.equal(signed.encode(pixels, 0), 2 * pixels - 1)


def test_geometry_at_another_resolution(configure):
    teacher = load_teacher("rd", configure("richdreamer", resolution=8), CPU)
    assert teacher(request_for(teacher.spec)).gradient.shape == (8, 4, 8, 8)


def test_suffix_and_negative_prompt_are_used(configure):
    plain = load_teacher("rd", configure("richdreamer"), CPU)
    request = request_for(plain.spec)
    suffixed = load_teacher("rd", configure("richdreamer", prompt_suffix=", 3d asset"), CPU)
    spelt_out = replace(request, prompts=tuple(f"{prompt}, 3d asset" for prompt in request.prompts))
    assert torch.equal(suffixed(request).gradient, plain(spelt_out).gradient)
    negative = load_teacher("rd", configure("richdreamer", negative_prompt="flat"), CPU)
    assert not torch.equal(negative(request).gradient, plain(request).gradient)


@pytest.mark.parametrize("kind", KINDS)
def test_bf16_stays_close(configure, kind):
    request = request_for(teacher_spec(kind, configure(kind)))
    full = load_teacher(kind, configure(kind), CPU)(request).gradient
    half = load_teacher(kind, configure(kind, precision="bf16"), CPU)(request).gradient
    assert half.dtype == torch.float32
    assert torch.nn.functional.cosine_similarity(full.flatten(), half.flatten(), dim=0) > 0.95


def first_view(c2w: torch.Tensor, change) -> torch.Tensor:
    changed = c2w.clone()
    change(changed[0])
    return changed


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda r: {"pixels": r.pixels[:, :, :-1]}, "takes pixels of shape"),
        (lambda r: {"pixels": r.pixels[1:]}, "takes pixels of shape"),
        (lambda r: {"prompts": (*r.prompts, "one more")}, "takes pixels of shape"),
        (lambda r: {"pixels": r.pixels * 2 - 1}, r"takes pixels in \[0, 1\], not in"),
        (lambda r: {"pixels": r.pixels * torch.nan}, "pixels with values that are not finite"),
        (lambda r: {"c2w": first_view(r.c2w, lambda pose: pose[:3, :3].mul_(2))}, "axes are no rotation"),
        (lambda r: {"c2w": first_view(r.c2w, lambda pose: pose[:3, 0].neg_())}, "axes are no rotation"),
        (lambda r: {"relative_distance": r.relative_distance[1:]}, "takes relative_distance of shape"),
    ],
)
def test_a_request_that_cannot_be_is_refused(teacher, change, says):
    request = request_for(teacher.spec)
    with pytest.raises(InputError, match=says):
        teacher(replace(request, **change(request)))


@pytest.mark.parametrize("kind", KINDS)
def test_every_shipped_teacher_keeps_the_contract(configure, kind):
    assert find_breaches("one", configure(kind, shift=0.1)) == []


def test_breaches_are_found(configure, home):
    assert find_breaches("plain", configure("specimens:Plain", weights="miniature/mvdream")) == []
    found = find_breaches("careless", configure("specimens:Careless", weights="miniature/mvdream"))
    for breach in (
        "describe() gives",
        "different replies",
        "was changed",
        "metrics are numbers",
        "no_grad or autocast",
    ):
        assert any(breach in one for one in found), breach
    found = find_breaches("moody", configure("specimens:Moody", weights="miniature/mvdream"))
    assert "the gradient has values that are not finite" in found


def test_missing_weights_name_the_place(configure, home, miniature):
    with pytest.raises(MissingError, match=r"the weights 'large/none' are not here") as error:
        load_teacher("mv", configure("mvdream", weights="large/none"), CPU)
    assert str(miniature.parent / "large" / "none") in error.value.hint


def test_weights_of_another_kind_of_model(configure, miniature):
    with pytest.raises(RecipeError, match=r"teachers\.mv\.weights: .* is no camera-conditioned model"):
        load_teacher("mv", configure("mvdream", weights=str(miniature / "stable-diffusion")), CPU)


def test_unknown_kind(configure):
    with pytest.raises(RecipeError, match="there is no kind 'mvdraem'"):
        teacher_spec("mv", configure("mvdraem"))
    with pytest.raises(RecipeError, match="cannot be imported"):
        teacher_spec("mv", configure("no_such_package:Class"))


@pytest.fixture
def copied(miniature, tmp_path):
    """A model folder to damage."""
    return shutil.copytree(miniature / "richdreamer", tmp_path / "richdreamer")


def test_tensor_that_is_missing_is_not_made_up(configure, copied):
    file = copied / "unet" / "diffusion_pytorch_model.safetensors"
    tensors = load_file(file)
    tensors.pop("class_embedding.linear_1.weight")
    save_file(tensors, file)
    with pytest.raises(MissingError, match=r"lacks 1 tensors of its model, e\.g\. class_embedding\.linear_1\.weight"):
        load_teacher("rd", configure("richdreamer", weights=str(copied)), CPU)


@pytest.mark.parametrize("part", ["unet", "text_encoder", "tokenizer", "scheduler"])
def test_damaged_file_is_named(configure, copied, part):
    file = max((copied / part).iterdir(), key=lambda path: path.stat().st_size)
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    with pytest.raises(MissingError, match=rf"{part} cannot be read"):
        load_teacher("rd", configure("richdreamer", weights=str(copied)), CPU)


def test_model_that_does_not_predict_noise(configure, copied):
    file = copied / "scheduler" / "scheduler_config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "prediction_type": "v_prediction"}))
    with pytest.raises(MissingError, match="predicts 'v_prediction'"):
        load_teacher("rd", configure("richdreamer", weights=str(copied)), CPU)
