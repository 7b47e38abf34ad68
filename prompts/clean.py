"""What the other stages ask of the grammar: clean text, its key and its id, of a column or of one string."""

import polars as pl

from prompts.grammar import clean_texts, has_personal_data, redact_texts, tidy_texts
from prompts.normalise import normalise_texts, prompt_id, prompt_ids, word_sets
from prompts.rules import REDACTION

__all__ = [
    "REDACTION",
    "RULES",
    "clean",
    "clean_texts",
    "has_personal_data",
    "normalise",
    "normalise_texts",
    "prompt_id",
    "prompt_ids",
    "redact_texts",
    "tidy_texts",
    "word_sets",
]

RULES = 5
"""Revision of everything that decides what a corpus contains; part of its version. Raise it with every such change."""


def clean(text: str) -> str:
    """`clean_texts` for one string."""
    return clean_texts(pl.Series([text]))["text"][0]


def normalise(text: str) -> str:
    """`normalise_texts` for one string."""
    return normalise_texts(pl.Series([text]))[0]
