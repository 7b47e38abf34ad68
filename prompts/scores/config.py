"""The `filters:` of a recipe."""

from collections.abc import Iterator, Mapping
from typing import Any, Self

from pydantic import ConfigDict, RootModel, model_validator

from infra.config import Config
from prompts.scores.registry import SCORERS


class FilterConfig(Config):
    """Limits for one score; a row outside them is refused. Without limits the score is only recorded."""

    min: float | None = None
    """Least score that stays."""
    max: float | None = None
    """Greatest score that stays."""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError(f"min ({self.min}) must not exceed max ({self.max})")
        return self


DEFAULT_FILTERS: dict[str, FilterConfig | None] = {
    "clip_tokens": FilterConfig(),
    "gibberish": FilterConfig(max=0.7),
    "repetition": FilterConfig(),
    "unsafe": FilterConfig(max=0.8),
    "shapeless": FilterConfig(),
    "n_words": FilterConfig(min=1, max=512),
}
"""Everything is measured; refused is what no text-to-3D model can use (docs/adding-a-filter.md says why each)."""


class FiltersConfig(RootModel[dict[str, FilterConfig | None]]):
    """The whole policy, or what one source states of it: score → limits, in the order in which reasons are given.

    A filter that is set to null is off: its score is not even computed. That is how a recipe takes back a filter of the
    one that it extends, and a source one of its corpus.
    """

    model_config = ConfigDict(frozen=True, validate_default=True)

    root: dict[str, FilterConfig | None] = DEFAULT_FILTERS

    @model_validator(mode="after")
    def _known(self) -> Self:
        for name in self.root:
            if name not in SCORERS:
                raise ValueError(f"no filter is called `{name}`; there are {', '.join(SCORERS)}")
        return self

    def active(self) -> Iterator[tuple[str, FilterConfig]]:
        """Filters that are on, in order."""
        return ((name, limits) for name, limits in self.root.items() if limits is not None)

    def replaced(self, by: "FiltersConfig") -> "FiltersConfig":
        """This policy, but of each filter that `by` names what `by` says: other limits altogether, or off."""
        return FiltersConfig({**self.root, **by.root})


def in_words(filters: Mapping[str, Mapping[str, Any] | None]) -> str:
    """What a source states for itself, as it is written down: `n_words min 3 max 40, any unsafe`."""
    return ", ".join(_in_words(score, limits or {}) for score, limits in filters.items())


def _in_words(score: str, limits: Mapping[str, Any]) -> str:
    stated = [f"{bound} {limit:g}" for bound, limit in limits.items() if limit is not None]
    return " ".join([score, *stated] if stated else ["any", score])
