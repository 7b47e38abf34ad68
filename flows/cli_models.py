"""Commands of `prd` about models that are not trained here: the miniature's, pretrained weights, teachers."""

from pathlib import Path
from typing import Annotated

import typer

from flows.cli_options import DeviceOption, Overrides, RecipeOption

miniature = typer.Typer(help="The miniature models.", no_args_is_help=True)
weights = typer.Typer(help="Pretrained models.", no_args_is_help=True)
teachers = typer.Typer(help="The teachers of a recipe.", no_args_is_help=True)


@miniature.command("train")
def miniature_train(
    out: Annotated[Path | None, typer.Option(help="Default: $PRD_WEIGHTS/miniature.", show_default=False)] = None,
    seed: Annotated[int, typer.Option(help="Of all random numbers.")] = 0,
) -> None:
    """Train the miniature models from pictures of their world: hours on two cores; goes on where it was stopped."""
    from infra.settings import settings
    from teachers.miniature.make import train_miniature

    folder = out or settings().weights_folder / "miniature"
    train_miniature(folder, seed)
    typer.echo(folder)


@miniature.command("check")
def miniature_check(
    overrides: Overrides = None,
    recipe: RecipeOption = "miniature",
    limit: Annotated[int, typer.Option(min=1, help="Held-out prompts to sample.")] = 100,
    optimised: Annotated[int, typer.Option(min=0, help="Of these, prompts whose pixels are optimised.")] = 8,
) -> None:
    """Measure the miniature models: their own samples of held-out prompts before the judge and beside the truth."""
    from evaluation.teacher_quality import teacher_quality
    from flows.recipe import read_recipe
    from prompts.sources import load_prompts

    settled = read_recipe(recipe, overrides)
    prompts = load_prompts(settled.evaluation.prompts)[:limit]
    for name, quality in teacher_quality(settled.teachers, settled.evaluation.clip, prompts, optimised).items():
        for measure, value in quality.model_dump(exclude_none=True).items():
            typer.echo(f"{name}\t{measure}\t{value:.3f}")


@weights.command("fetch")
def weights_fetch(
    names: Annotated[
        list[str] | None, typer.Argument(help="Of the lock file. Default: all that the recipe needs.")
    ] = None,
    recipe: RecipeOption = "sd21",
) -> None:
    """Download pretrained models, check them, and convert those that are not diffusers folders. Goes on where it was
    stopped. Prints their folders."""
    from flows.recipe import read_recipe
    from teachers.fetch import fetch_weights

    if not names:
        settled = read_recipe(recipe, [])
        names = [*settled.weights(), settled.evaluation.clip.weights]
    for name in dict.fromkeys(names):
        typer.echo(fetch_weights(name))


@weights.command("convert")
def weights_convert(
    family: Annotated[str, typer.Argument(help="mvdream or richdreamer.", show_default=False)],
    file: Annotated[Path, typer.Argument(help="sd-v2.1-base-4view.pt or nd_mv_ema.ckpt.", show_default=False)],
    out: Annotated[
        Path | None, typer.Option(help="Default: where recipes look for it in $PRD_WEIGHTS.", show_default=False)
    ] = None,
) -> None:
    """Turn a teacher's original checkpoint into a diffusers folder. Every tensor is accounted for."""
    from infra.settings import settings
    from teachers.convert import FAMILIES, convert_file

    name = FAMILIES[family].weights if family in FAMILIES else family
    folder = out or settings().weights_folder / name
    convert_file(file, family, folder)
    typer.echo(folder)


@weights.command("import")
def weights_import(
    file: Annotated[Path, typer.Argument(help="The authors' triplane_turbo_sd_v1.pth.", show_default=False)],
    out: Annotated[Path | None, typer.Option(help="Default: FILE's name and -generator.", show_default=False)] = None,
    base: Annotated[str, typer.Option(help="The base model it was trained on.")] = "stable-diffusion-2-1-base",
) -> None:
    """Turn the authors' released generator into a checkpoint for `prd generate` and `prd evaluate`."""
    from prd.released import import_released

    folder = out or file.with_name(f"{file.stem}-generator")
    import_released(file, base, folder)
    typer.echo(folder)


@teachers.command("preview")
def teachers_preview(
    prompts: Annotated[list[str], typer.Argument(metavar="PROMPT...", help="What to draw.", show_default=False)],
    recipe: RecipeOption = "miniature",
    out: Annotated[Path, typer.Option(help="A PNG.")] = Path("teachers.png"),
    seed: Annotated[int, typer.Option(help="Names the noise.")] = 42,
    steps: Annotated[int, typer.Option(min=1, max=1000, help="Of the sampler.")] = 30,
    guidance: Annotated[float | None, typer.Option(min=0.0, help="Classifier-free guidance. Default: 2.")] = None,
    device: DeviceOption = None,
) -> None:
    """Sample every teacher for prompts into one contact sheet."""
    from flows.recipe import read_recipe
    from infra.device import usable_device
    from teachers.contact_sheet import write_contact_sheet

    settled = read_recipe(recipe, [])
    write_contact_sheet(settled.teachers, prompts, out, seed, usable_device(device), steps, guidance)
    typer.echo(out)


@teachers.command("bench")
def teachers_bench(
    overrides: Overrides = None,
    recipe: RecipeOption = "miniature",
    prompts: Annotated[int, typer.Option(min=1, help="Of each call.")] = 2,
    calls: Annotated[int, typer.Option(min=1, help="That are timed, after a first one.")] = 5,
    device: DeviceOption = None,
) -> None:
    """Time a call of each teacher, alone in this process."""
    from flows.recipe import read_recipe
    from infra.device import usable_device
    from teachers.timing import time_teachers

    settled = read_recipe(recipe, overrides)
    typer.echo("teacher\tload s\tfirst call s\tcall s\tpeak GB")
    for one in time_teachers(settled.teachers, usable_device(device), prompts, calls):
        peak = "–" if one.peak_gb is None else f"{one.peak_gb:.2f}"
        typer.echo(f"{one.name}\t{one.load_seconds:.2f}\t{one.first_seconds:.3f}\t{one.call_seconds:.3f}\t{peak}")


@teachers.command("check")
def teachers_check(
    overrides: Overrides = None,
    recipe: RecipeOption = "miniature",
    device: DeviceOption = None,
) -> None:
    """Put every teacher of a recipe through the contract that training relies on."""
    from flows.recipe import read_recipe
    from infra.device import usable_device
    from infra.errors import InputError
    from teachers.conformance import find_breaches

    breaches = 0
    for name, config in read_recipe(recipe, overrides).teachers.items():
        found = find_breaches(name, config, usable_device(device))
        breaches += len(found)
        for line in found or ["keeps the contract"]:
            typer.echo(f"{name}: {line}")
    if breaches:
        raise InputError(f"{breaches} breaches of the contract", "docs/adding-a-teacher.md explains it")
