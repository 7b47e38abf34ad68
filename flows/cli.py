"""The command line `prd`. Imports what a command needs when it runs, so that help comes at once."""

import signal
import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from infra.environment import prepare_environment
from infra.errors import PRDError

RecipeOption = Annotated[
    str, typer.Option("--recipe", "-r", help="A shipped recipe's name or the path of a YAML file.")
]
Overrides = Annotated[
    list[str] | None,
    typer.Argument(metavar="[SECTION.KEY=VALUE]...", help="Changes to the recipe.", show_default=False),
]

CheckpointOption = Annotated[
    str | None,
    typer.Option(help="A checkpoint's folder, a run's folder, a run's name, or a Hub id. Default: the newest here."),
]

DeviceOption = Annotated[str | None, typer.Option(help="cpu, cuda, cuda:1, … Default: a GPU if there is one.")]

app = typer.Typer(
    help="Prompts to corpus to text-to-mesh generator to registered checkpoint.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
corpus_app = typer.Typer(help="The prompt corpus.", no_args_is_help=True)
config_app = typer.Typer(help="Recipes.", no_args_is_help=True)
miniature_app = typer.Typer(help="The miniature models.", no_args_is_help=True)
weights_app = typer.Typer(help="Pretrained models.", no_args_is_help=True)
teachers_app = typer.Typer(help="The teachers of a recipe.", no_args_is_help=True)
app.add_typer(corpus_app, name="corpus")
app.add_typer(config_app, name="config")
app.add_typer(miniature_app, name="miniature")
app.add_typer(weights_app, name="weights")
app.add_typer(teachers_app, name="teachers")


@app.command()
def run(overrides: Overrides = None, recipe: RecipeOption = "miniature") -> None:
    """The whole pipeline: corpus, training, evaluation, registration. Finished stages are skipped."""
    from flows.recipe import read_recipe

    resolved = read_recipe(recipe, overrides)
    from flows.server import prefect_server

    _require_ray()
    with prefect_server():
        from flows.pipeline import run_pipeline
        from flows.summary import print_summary

        print_summary(run_pipeline(resolved))


@app.command()
def train(
    overrides: Overrides = None,
    recipe: RecipeOption = "miniature",
    resume: Annotated[
        bool, typer.Option("--resume/--fresh", help="Go on from the last checkpoint, or discard it.")
    ] = True,
    plan: Annotated[bool, typer.Option("--plan", help="Only say who would sit where, and whether it fits.")] = False,
    gpus: Annotated[int | None, typer.Option(min=0, help="For --plan: how many GPUs there are, if not here.")] = None,
    gpu_memory: Annotated[float | None, typer.Option(min=0.1, help="For --plan: GB of each of them.")] = None,
) -> None:
    """Build the corpus if it is missing and train on it, without an orchestrator."""
    from flows.recipe import read_recipe

    resolved = read_recipe(recipe, overrides)
    if plan:
        from flows.planning import show_plan

        return show_plan(resolved, gpus, gpu_memory)
    from flows.stages import build_corpus_stage, discard_training, prepare_weights, train_stage

    _require_ray()
    prepare_weights(resolved.weights())
    corpus = build_corpus_stage(resolved).folder
    if not resume:
        discard_training(resolved, corpus)
    typer.echo(train_stage(resolved, corpus).folder)


@app.command()
def evaluate(
    overrides: Overrides = None,
    recipe: RecipeOption = "miniature",
    checkpoint: CheckpointOption = None,
) -> None:
    """Generate the evaluation prompts' meshes with a checkpoint, score them and write the report."""
    from flows.recipe import read_recipe
    from flows.stages import evaluate_stage, prepare_weights
    from infra.settings import settings
    from prd.checkpoint import resolve_checkpoint
    from prd.published import generator_config

    resolved = read_recipe(recipe, overrides)
    found = resolve_checkpoint(checkpoint, settings().training)
    prepare_weights([resolved.evaluation.clip.weights, generator_config(found).base])
    result = evaluate_stage(resolved, found)
    for name, value in result.facts.items():
        typer.echo(f"{name}: {value}")


@app.command()
def generate(
    prompt: Annotated[list[str] | None, typer.Argument(help="What to make.", show_default=False)] = None,
    checkpoint: CheckpointOption = None,
    prompts: Annotated[
        str | None, typer.Option(metavar="FILE", help="More prompts: a text file with one a line, CSV, JSONL, ….")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="A file, or a folder. Default: mesh.glb; meshes/ for several objects.")
    ] = None,
    format: Annotated[
        str | None, typer.Option(help="glb, obj, ply, usd, usda, usdc or usdz. Default: as --out, else glb.")
    ] = None,
    seed: Annotated[
        list[int] | None, typer.Option(help="Names the noise; several: as many tries of a prompt. Default: 42.")
    ] = None,
    resolution: Annotated[
        int | None, typer.Option(min=8, max=512, help="Grid points along an edge. Default: the checkpoint's.")
    ] = None,
    texture: Annotated[
        int | None,
        typer.Option(
            min=0, max=8192, help="Size of an unwrapped texture; 0: vertex colours. Default: 0; 1024 for obj."
        ),
    ] = None,
    clean: Annotated[bool, typer.Option("--clean", help="Drop small floating pieces.")] = False,
    faces: Annotated[int | None, typer.Option(min=4, help="Reduce to so many faces.")] = None,
    turntable: Annotated[str | None, typer.Option(help="png, gif or mp4: the mesh seen all around, beside it.")] = None,
    batch_size: Annotated[int, typer.Option(min=1, help="Prompts denoised together.")] = 4,
    device: DeviceOption = None,
    precision: Annotated[
        Literal["fp32", "bf16"] | None, typer.Option(help="Of the base model. Default: as it was trained with.")
    ] = None,
) -> None:
    """Turn prompts into meshes. Prints the files; says where the time went. Called again it makes what is missing."""
    from flows.destination import destination_for
    from flows.generating import Finish, generate_files, read_prompts
    from infra.settings import settings
    from prd.checkpoint import resolve_checkpoint

    if not prompt and prompts is None:
        raise typer.BadParameter("give a prompt or --prompts FILE")
    seeds = list(dict.fromkeys(seed or [42]))
    found = resolve_checkpoint(checkpoint, settings().training)
    asked = read_prompts(prompt or [], prompts)
    destination = destination_for(out, format, prompts=len(asked), seeds=len(seeds))
    finish = Finish(texture, clean, faces, turntable)
    for path in generate_files(
        found,
        asked,
        seeds,
        destination,
        finish,
        resolution=resolution,
        batch_size=batch_size,
        device=device,
        precision=precision,
    ):
        typer.echo(path)


@app.command()
def doctor() -> None:
    """Check this machine: packages, devices, back ends, folders and services."""
    from flows.doctor import examine

    raise typer.Exit(0 if examine() else 1)


@corpus_app.command("build")
def corpus_build(overrides: Overrides = None, recipe: RecipeOption = "miniature") -> None:
    """Read, clean, deduplicate and version the recipe's prompt sources."""
    from flows.recipe import read_recipe
    from flows.stages import build_corpus_stage

    result = build_corpus_stage(read_recipe(recipe, overrides))
    for name, value in result.facts.items():
        typer.echo(f"{name}: {value}")
    typer.echo(result.folder)


@config_app.command("show")
def config_show(overrides: Overrides = None, recipe: RecipeOption = "miniature") -> None:
    """Print the resolved recipe, every key with its value."""
    import yaml

    from flows.recipe import read_recipe

    tree = read_recipe(recipe, overrides).model_dump(mode="json")
    typer.echo(yaml.safe_dump(tree, sort_keys=False, allow_unicode=True), nl=False)


@config_app.command("list")
def config_list() -> None:
    """Names of the shipped recipes."""
    from infra.recipe import shipped_recipes

    for name in shipped_recipes():
        typer.echo(name)


@miniature_app.command("train")
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


@miniature_app.command("check")
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


@weights_app.command("fetch")
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


@weights_app.command("convert")
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


@weights_app.command("import")
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


@teachers_app.command("preview")
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


@teachers_app.command("bench")
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


@teachers_app.command("check")
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


def _require_ray() -> None:
    """Find out before any work whether the cluster answers that training will want."""
    from infra.cluster import probe_ray
    from infra.settings import settings

    if address := settings().ray_address:
        probe_ray(address)


def main() -> None:
    """Entry point: errors that a user can act on become a message and their exit code."""
    prepare_environment()
    sys.path.append(str(Path.cwd()))  # where a recipe's own teachers are; last, so that they hide nothing
    # A polite kill unwinds like Ctrl-C, so that no child is left.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        app()
    except PRDError as error:
        from infra.progress import console

        console.print(f"error: {error}", style="red", markup=False, soft_wrap=True)
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
