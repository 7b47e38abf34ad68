"""The command line `prd`. Imports what a command needs when it runs, so that help comes at once."""

import atexit
import gc
import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from flows import cli_corpus, cli_models
from flows.cli_options import CheckpointOption, DeviceOption, Overrides, RecipeOption
from infra.ending import ended_by_sigterm
from infra.environment import prepare_environment
from infra.errors import PRDError

app = typer.Typer(
    help="Prompts to corpus to text-to-mesh generator to registered checkpoint.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
config_app = typer.Typer(help="Recipes.", no_args_is_help=True)
app.add_typer(cli_corpus.corpus, name="corpus")
app.add_typer(config_app, name="config")
app.add_typer(cli_models.miniature, name="miniature")
app.add_typer(cli_models.weights, name="weights")
app.add_typer(cli_models.teachers, name="teachers")


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
    corpus = build_corpus_stage(resolved.corpus).folder
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
    # The interpreter would end with a search for garbage in all that the system takes back anyway, for half a second.
    atexit.register(gc.freeze)
    try:
        with ended_by_sigterm():
            app()
    except PRDError as error:
        from infra.progress import console

        console.print(f"error: {error}", style="red", markup=False, soft_wrap=True)
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
