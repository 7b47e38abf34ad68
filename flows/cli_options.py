"""Options and arguments that several commands of `prd` share."""

from typing import Annotated, Any

import typer
from typer.core import TyperCommand

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


class PromptCommand(TyperCommand):
    """A command whose argument is a prompt, which may begin with a dash: `--ar 3:2 a cube`. Options have no spaces."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """With a space before such prompts, so that they are not taken for options."""
        return super().parse_args(ctx, [f" {each}" if _is_prompt(each) else each for each in args])


def _is_prompt(argument: str) -> bool:
    return argument.startswith("-") and any(letter.isspace() for letter in argument.partition("=")[0])
