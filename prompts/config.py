"""The `corpus:` section of a recipe."""

from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, SerializerFunctionWrapHandler, model_serializer, model_validator

from infra.config import Config
from prompts.dedup.config import NearConfig
from prompts.scores.config import FiltersConfig

Kind = Literal["jsonl", "json", "csv", "tsv", "parquet", "text", "hf", "web"]

Weight = Annotated[float, Field(ge=0.001, le=1000.0)]
"""Of a source, beside others."""


class WebConfig(Config):
    """How an API gives its pages. Paths into JSON are dotted: `data.items`."""

    records: str = ""
    """Path to the list of records; empty when a page is that list."""
    next: str | None = None
    """Path to the next cursor or address; none there means the last page."""
    cursor_parameter: str | None = None
    """Query parameter that takes the cursor; without it `next` is an address on the same server."""
    page_parameter: str | None = None
    """Query parameter that takes the number of the page, instead of `next`; an empty page is the end."""
    first_page: int = Field(default=1, ge=0)
    parameters: dict[str, str | int | float | bool] = Field(default_factory=dict)
    """Sent with each request."""
    token_variable: str | None = None
    """Environment variable whose value is sent as a bearer token. The token itself never enters a recipe."""
    max_pages: int = Field(default=100_000, ge=1)
    max_rows: int | None = Field(default=None, ge=1)
    requests_per_second: float = Field(default=1.0, gt=0)
    """At most; less when robots.txt asks for it."""
    tries: int = Field(default=6, ge=1)
    """Of each page, when it does not answer or says that it is busy."""
    longest_wait_seconds: float = Field(default=120.0, ge=0)
    """Who wants us to wait longer is unavailable; the pages so far are kept for the next build."""

    @model_validator(mode="after")
    def _one_way_on(self) -> Self:
        if self.page_parameter is not None and (self.next is not None or self.cursor_parameter is not None):
            raise ValueError("`page_parameter` excludes `next` and `cursor_parameter`")
        if self.cursor_parameter is not None and self.next is None:
            raise ValueError("`cursor_parameter` needs `next`, the path to the cursor")
        return self


class SourceConfig(Config):
    """Where prompts come from. What is left out is inferred from the file."""

    path: str = Field(min_length=1)
    """A file, a glob, a folder saved by `datasets`, a Hub name `owner/name`, an address (`https://`, `s3://`, `gs://`,
    `hf://`), `sample:NAME` for a shipped sample, or
    `catalog:NAME` for an entry of the catalogue, whose fields are then the defaults."""
    kind: Kind | None = None
    """Format; inferred from the extension, through `.gz` too."""
    field: str | None = None
    """Column that holds the text; inferred when it has a usual name or is the only column of strings."""
    key: str | None = None
    """For `.json` files that are an object of lists: the one to read. Default: `train` if there is one, else all."""
    name: str | None = Field(default=None, min_length=1)
    """How rows of this source are marked; default: the file's stem."""
    licence: str = "unknown"
    files: str | None = None
    """Which files of a Hub data set, as a glob over their whole names; default: those of `split`."""
    revision: str | None = None
    """Commit, tag or branch of a Hub data set; SHA-256 of a file at `https://`."""
    split: str = "train"
    """Split of a Hugging Face data set."""
    limit: int | None = Field(default=None, gt=0)
    """Read no more than this many rows."""
    columns: tuple[str, ...] | None = None
    """Names of the columns of a CSV or TSV file without a header."""
    web: WebConfig | None = None
    """Of kind `web`: how the API at `path` gives its pages."""
    refresh: bool = False
    """Ask for the newest revision of what was fetched before; else the snapshot that is here stands."""
    gated: bool = False
    """Whether its terms must be accepted on `page`, and a token sent."""
    page: str | None = None
    """Where people read about it; named in errors."""
    weight: Weight = 1.0
    """How often training draws a prompt of this source beside one of a source of weight 1; of several sources that have
    the same prompt the largest counts."""
    filters: FiltersConfig = FiltersConfig({})
    """Limits for rows of this source, each in place of the one that the corpus has for that score; null: none."""

    @model_serializer(mode="wrap")
    def _only_what_is_stated(self, fields: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """A default that was written out would, once read again, go before what the catalogue says."""
        return {name: value for name, value in fields(self).items() if name in self.model_fields_set}


def _as_sources(value: Any) -> Any:
    """One path, several with commas between, or a list of paths and mappings."""
    if isinstance(value, str):
        value = [part.strip() for part in value.split(",") if part.strip()]
    elif isinstance(value, dict | SourceConfig):
        value = [value]
    if isinstance(value, list | tuple):
        return tuple({"path": item} if isinstance(item, str) else item for item in value)
    return value


Sources = Annotated[tuple[SourceConfig, ...], BeforeValidator(_as_sources)]


class CorpusConfig(Config):
    """Which prompts the generator is distilled on."""

    name: str = Field(default="corpus", pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")
    """Folder below `$PRD_HOME/corpora`."""
    sources: Sources = Field(min_length=1)
    """In order of trust: of equal rows one of the first source stays, the one least changed by cleaning."""
    evaluation_prompts: Sources = ()
    """Prompts that must not be in the corpus, in any order of their words."""
    filters: FiltersConfig = FiltersConfig()
    """Limits of scores outside which a row is refused; `prompts.scores` has them all."""
    languages: tuple[Annotated[str, Field(pattern=r"^[a-z]{2}$")], ...] | None = None
    """ISO 639-1 codes to keep; default all. Prompts too short to tell (`und`) always stay."""
    near: NearConfig = NearConfig()
    """How far two prompts may differ and still be one."""
    subject_cap: int | None = Field(default=None, ge=1)
    """Keep no more prompts of one subject than this, those of the largest clusters; default all."""
    holdout: float = Field(default=0.0, ge=0.0, le=0.5)
    """Share of prompts in the split `holdout`, by a hash of their id: a prompt never changes sides."""
    engine: Literal["local", "ray"] = "local"
    """What builds it: this process, or Ray Data on the cluster at `PRD_RAY_ADDRESS`, on this machine without one. The
    machines of a cluster have to share `PRD_HOME`. The result is the same."""
    memory_gb: float = Field(default=2.0, gt=0)
    """What the search for near-duplicates may hold in tables at a time, on a cluster in each task. A larger corpus is
    searched in several passes, with the same result."""
    new_prompts_for_event: int = Field(default=1000, ge=1)
    """A version with at least so many prompts that were in none announced before is announced (`prd.corpus.grown`)."""

    @model_validator(mode="after")
    def _evaluation_prompts_are_all_held_out(self) -> Self:
        for source in self.evaluation_prompts:
            if idle := {"weight", "filters"} & source.model_fields_set:
                raise ValueError(
                    f"`{min(idle)}` is for `sources`: of evaluation prompts ({source.path}) all are kept out"
                )
        return self

    def filters_of(self, source: SourceConfig) -> FiltersConfig:
        """The policy for rows of one source.

        Args:
            source: with what the catalogue says of it.
        """
        return self.filters.replaced(source.filters)
