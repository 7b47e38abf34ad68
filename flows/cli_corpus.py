"""`prd corpus`: build and extend the prompt corpus, look at its sources, ask it why."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from flows.cli_options import Overrides, PromptCommand, RecipeOption
from flows.tables import Table, for_people
from flows.wording import meaning, setting, shown

if TYPE_CHECKING:
    from prompts.config import SourceConfig

corpus = typer.Typer(help="The prompt corpus.", no_args_is_help=True)

SourceArgument = Annotated[
    str,
    typer.Argument(
        metavar="SOURCE",
        help="A file, glob, folder or Hub name, `catalog:NAME` or `sample:NAME`; or a mapping, as in a recipe.",
    ),
]
VersionOption = Annotated[str | None, typer.Option("--version", help="The beginning of its name. Default: the newest.")]


@corpus.command()
def build(
    overrides: Overrides = None,
    recipe: RecipeOption = "miniature",
    keep_going: Annotated[
        bool, typer.Option("--keep-going", help="Leave out sources that cannot be had; the corpus names them.")
    ] = False,
    push_to_hub: Annotated[
        str | None, typer.Option(metavar="OWNER/NAME", help="Publish the version as a data set of the Hub.")
    ] = None,
) -> None:
    """Read, clean, deduplicate and version the recipe's prompt sources."""
    from flows.stages import build_corpus_stage
    from prompts.publishing import check_target

    config = _recipe(recipe, overrides).corpus
    if push_to_hub:
        check_target(push_to_hub)
    result = build_corpus_stage(config, keep_going=keep_going)
    _echo_result(result.facts, result.folder, push_to_hub)


@corpus.command()
def add(
    source: SourceArgument,
    overrides: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[CORPUS.KEY=VALUE]...",
            help="Which corpus (corpus.name), and changes to its configuration.",
            show_default=False,
        ),
    ] = None,
    recipe: RecipeOption = "miniature",
    version: VersionOption = None,
) -> None:
    """A new version of the recipe's corpus with one source more, as if it had been built with it from the start.

    All else is as the version was built, whatever the recipe says by now, but for the changes given here.
    """
    from flows.stages import build_corpus_stage
    from infra.settings import settings
    from prompts.versions import extended, find_version

    folder = find_version(settings().corpora / _recipe(recipe, overrides).corpus.name, version)
    result = build_corpus_stage(extended(folder, [_source(source)], overrides or []))
    _echo_result(result.facts, result.folder)


@corpus.command()
def schedule(
    overrides: Overrides = None,
    recipe: RecipeOption = "miniature",
    cron: Annotated[str, typer.Option(help="When: minute, hour, day, month, weekday.")] = "0 3 * * *",
    timezone: Annotated[str | None, typer.Option(help="Of these times, e.g. Europe/Berlin. Default: UTC.")] = None,
) -> None:
    """Build the corpus at these times, as a deployment of a Prefect server, until this command is ended."""
    from flows.scheduling import serve_corpus

    serve_corpus(_recipe(recipe, overrides).corpus, cron, timezone)


@corpus.command()
def preview(
    source: SourceArgument,
    overrides: Overrides = None,
    recipe: RecipeOption = "miniature",
    rows: Annotated[int, typer.Option(min=1, help="Read so many.")] = 10_000,
    show: Annotated[int, typer.Option(min=0, help="Show so many.")] = 12,
) -> None:
    """What a build would make of a source: its grammar, what each filter would drop, how many prompts are new."""
    from infra.errors import MissingError
    from infra.settings import settings
    from prompts.preview import preview as look
    from prompts.versions import find_version

    policy = _recipe(recipe, overrides).corpus
    try:
        present = find_version(settings().corpora / policy.name)
    except MissingError:
        present = None
    found = look(_source(source), policy, present, rows)
    table = Table(
        f"{found.source.name}, licence {found.source.licence}", "row", "as read", "subject", "style", "becomes"
    )
    # Evenly over what was read, not its beginning.
    step = max(1, len(found.rows) // max(show, 1))
    for row in found.rows[::step].head(show).iter_rows(named=True):
        fate = row["reason"] or row["novelty"]
        table.add(row["source_row"], row["raw"], row["subject"], row["style"], fate)
    table.print()
    counts = Table("of these rows", "what", "rows", "share", "meaning")
    for what, count in found.counts().items():
        counts.add(what, f"{count:,}", f"{count / len(found.rows):.1%}", meaning(what))
    counts.print()
    typer.echo(f"compared with {present}" if present else f"there is no corpus {policy.name} yet to compare with")


@corpus.command()
def stats(overrides: Overrides = None, recipe: RecipeOption = "miniature", version: VersionOption = None) -> None:
    """Numbers of a version: the funnel, its sources and what they share, languages, lengths."""
    from infra.settings import settings
    from prompts.card import losses_by_source, losses_of, rows_by_rule
    from prompts.corpus import corpus_stats
    from prompts.versions import find_version

    folder = find_version(settings().corpora / _recipe(recipe, overrides).corpus.name, version)
    numbers = corpus_stats(folder)
    funnel = Table(str(folder), "step", "rows", "meaning")
    funnel.add("read", f"{numbers['read']:,}", "rows of all sources")
    for what, count in {**numbers["refused"], **numbers["merged"]}.items():
        funnel.add(f"- {what}", f"{count:,}", meaning(what))
    funnel.add("prompts", f"{numbers['prompts']:,}", "in this version")
    for split, count in numbers["splits"].items():
        funnel.add(f"  {split}", f"{count:,}", "of them in this split")
    funnel.print()
    sources = Table("sources", "source", "licence", "weight", "read", "refused", "merged", "kept", "only here")
    for each in numbers["sources"]:
        counts = (f"{count:,}" for count in (each["read"], *losses_of(each), each["kept"], each["only_here"]))
        sources.add(each["name"], each["licence"], f"{each.get('weight', 1):g}", *counts)
    sources.print()
    if lost := losses_by_source(numbers):
        losses = Table("lost by source", "", *(each["name"] for each in numbers["sources"]))
        for what, counts in lost:
            losses.add(what, *(f"{count:,}" for count in counts))
        losses.print()
    if evaluation := numbers.get("evaluation"):
        sets = Table("evaluation prompts that are kept out", "set", "prompts")
        for each in evaluation:
            sets.add(each["name"], f"{each['prompts']:,}")
        for rule, count in rows_by_rule(numbers).items():
            sets.add(f"- rows by {rule}", f"{count:,}")
        sets.print()
    if len(numbers["overlap"]) > 1:
        names = list(numbers["overlap"])
        shared = Table("prompts in common", "", *names)
        for name in names:
            shared.add(name, *(f"{numbers['overlap'][name][other]:,}" for other in names))
        shared.print()
    typer.echo(f"languages: {', '.join(f'{code} {count:,}' for code, count in numbers['languages'].items())}")
    typer.echo(f"words: {', '.join(f'{name} {count}' for name, count in numbers['words'].items())}")


@corpus.command(cls=PromptCommand)
def explain(
    prompt: Annotated[str, typer.Argument(help="A prompt, as a source has it.")],
    overrides: Overrides = None,
    recipe: RecipeOption = "miniature",
    version: VersionOption = None,
) -> None:
    """Why a prompt is in the corpus or not, and which rows are one with it."""
    from infra.settings import settings
    from prompts.preview import explain as why
    from prompts.versions import find_version

    found = why(prompt.strip(), find_version(settings().corpora / _recipe(recipe, overrides).corpus.name, version))
    typer.echo(found.verdict)
    facts = {
        "cleaned": found.row["text"],
        "stands for it": found.kept,
        "nearest": found.nearest,
        "taken out": found.row["flags"],
    }
    given = found.row["parameters"] or {}
    facts |= {f"parameter {name}": value for name, value in given.items()} | {"language": found.row["language"]}
    facts |= {name.replace("_", " "): value for name, value in found.row.items() if name.startswith("score_")}
    for name, value in facts.items():
        if value not in (None, [], ""):
            typer.echo(f"{name}: {shown(value)}")
    if len(found.members):
        table = Table("rows of its cluster", "source", "row", "rule")
        for row in found.members.head(20).iter_rows(named=True):
            table.add(row["source"], row["source_row"], row["rule"] or "stays")
        table.print()


@corpus.command()
def diff(
    older: Annotated[str, typer.Argument(help="A version, by the beginning of its name or its folder.")],
    newer: Annotated[str | None, typer.Argument(help="Another. Default: the newest.", show_default=False)] = None,
    overrides: Overrides = None,
    changes: Annotated[
        list[str] | None, typer.Option("--set", metavar="SECTION.KEY=VALUE", help="The same, as an option.")
    ] = None,
    recipe: RecipeOption = "miniature",
    show: Annotated[int, typer.Option(min=0, help="Show so many of each kind.")] = 8,
) -> None:
    """What one version of a corpus has and another has not, and why."""
    from infra.settings import settings
    from prompts.versions import compare, find_version

    changed = [*(overrides or []), *(changes or [])]
    if newer and "=" in newer and not Path(newer).exists():
        newer, changed = None, [newer, *changed]
    home = settings().corpora / _recipe(recipe, changed).corpus.name
    found = compare(find_version(home, older), find_version(home, newer))
    for name, (before, after) in found.policy.items():
        typer.echo(f"{name}: {setting(before)} → {setting(after)}")
    typer.echo(f"same: {found.same:,}  added: {len(found.added):,}  removed: {len(found.removed):,}")
    for title, rows in (("added", found.added), ("removed", found.removed)):
        if len(rows) and show:
            table = Table(title, "source", "prompt", "because")
            for row in rows.head(show).iter_rows(named=True):
                because = "" if title == "added" else row["rule"] or "its row is gone"
                table.add(row["source"], row["text"], because)
            table.print()


@corpus.command()
def sources() -> None:
    """The catalogue: public sources of prompts, what they hold and on what terms; and the samples that ship."""
    from infra.progress import console
    from prompts.catalogue import PREFIX, broken_entries, catalogue
    from prompts.sources import SAMPLES

    listed = [
        (PREFIX + name, entry.rows, entry.licence + (" (terms to accept)" if entry.gated else ""), entry.about)
        for name, entry in catalogue().items()
    ]
    samples = (path.stem for path in sorted(SAMPLES.iterdir()))
    listed += [(f"sample:{name}", None, "Apache-2.0", "Shipped with the project.") for name in samples]
    if for_people():
        for name, rows, terms, about in listed:
            typer.echo(f"{name}  {about.strip()} {f'{rows:,} rows, ' if rows else ''}{terms}.")
    else:
        table = Table("sources", "name", "rows", "licence", "about")
        for name, rows, terms, about in listed:
            table.add(name, rows, terms, about.strip())
        table.print()
    for error in broken_entries().values():
        console.print(f"not listed: {error}", style="red", markup=False, soft_wrap=True)
    console.print("Rows and licences are as published, not checked here. What counts is the source's own page.")


def _recipe(name: str, overrides: list[str] | None) -> Any:
    from flows.recipe import read_recipe

    return read_recipe(name, overrides)


def _source(given: str) -> "SourceConfig":
    """A source from the command line: a path, or a mapping as in a recipe."""
    import yaml

    from infra.errors import RecipeError
    from infra.recipe import validate
    from infra.yaml_text import load_yaml
    from prompts.config import SourceConfig

    try:
        value = load_yaml(given) if given.lstrip().startswith("{") else {"path": given}
    except yaml.YAMLError as error:
        raise RecipeError(f"{given} is not YAML: {error}", "for example '{path: toys.csv, field: caption}'") from None
    config = validate(value, SourceConfig, given, "source", "docs/adding-a-prompt-source.md has all keys")
    return config.model_copy(update={"path": _absolute(config.path)})


def _absolute(path: str) -> str:
    """A file's path in full, so that a later command finds it from elsewhere."""
    return str(Path(path).expanduser().absolute()) if Path(path).expanduser().exists() else path


def _echo_result(facts: dict[str, Any], folder: Path, push_to_hub: str | None = None) -> None:
    for name, value in facts.items():
        typer.echo(f"{name}: {value}")
    typer.echo(folder)
    if push_to_hub:
        from prompts.publishing import push

        typer.echo(push(folder, push_to_hub))
    _warn_of_empty_sources(folder)


def _warn_of_empty_sources(folder: Path) -> None:
    from flows.stages import empty_sources
    from infra.progress import console
    from prompts.corpus import corpus_stats

    for source in empty_sources(corpus_stats(folder)):
        warning = f"warning: the source {source['name']} holds no rows: {source['file']} is empty"
        console.print(warning, style="yellow", markup=False, soft_wrap=True)
