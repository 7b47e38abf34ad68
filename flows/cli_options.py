"""Options and arguments that several commands of `prd` share."""

from typing import Annotated

import typer

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
