"""Licences of prompts: of several for one prompt the strictest wins."""

_LADDER: tuple[tuple[str, ...], ...] = (
    ("cc0-1.0", "pddl", "unlicense", "public-domain"),
    ("mit", "apache-2.0", "bsd-2-clause", "bsd-3-clause", "odc-by", "cc-by-3.0", "cc-by-4.0"),
    ("openrail", "creativeml-openrail-m", "bigscience-openrail-m"),
    ("cc-by-sa-3.0", "cc-by-sa-4.0", "odbl", "gpl-3.0"),
    ("cc-by-nc-4.0", "cc-by-nc-sa-4.0", "cc-by-nd-4.0", "cc-by-nc-nd-4.0"),
)
"""Each step asks for more: nothing, attribution, restricted uses, the same licence again, no sale or no change."""


def strictness(licence: str) -> int:
    """How much a licence asks for. One that is not on the ladder, `unknown` too, counts as the strictest."""
    name = licence.casefold()
    return next((step for step, names in enumerate(_LADDER) if name in names), len(_LADDER))


def strictest(licences: list[str]) -> str:
    """The one that binds whoever uses all; the first by name of equally strict ones."""
    return max(sorted(set(licences)), key=strictness)
