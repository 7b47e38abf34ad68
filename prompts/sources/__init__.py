"""Where prompts come from: files, data sets of the Hub, addresses and web APIs, all as tables of `rows.SCHEMA`."""

from prompts.sources.files import SAMPLES
from prompts.sources.finding import (
    find_source,
    find_sources,
    keyed_prompts,
    load_prompts,
    merged_prompts,
    prompts_of,
    source_names,
)
from prompts.sources.source import Shard, Source, last_row

__all__ = [
    "SAMPLES",
    "Shard",
    "Source",
    "find_source",
    "find_sources",
    "keyed_prompts",
    "last_row",
    "load_prompts",
    "merged_prompts",
    "prompts_of",
    "source_names",
]
