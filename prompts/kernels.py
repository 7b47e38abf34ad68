"""Compiled loops: numba's compiler with a cache that a changed source never meets.

Numba's own cache looks only at the file of a function. A kernel that calls one from another file would go on running
the old one after an upgrade, so here the cache's folder is named after the sources of all kernels.
"""

import os
from collections.abc import Callable
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import Any

import numba

from infra.progress import console

_PACKAGE = Path(__file__).parent


def kernel(**options: Any) -> Callable[[Callable[..., Any]], Any]:
    """Compile a function for the types that it is first called with; without the interpreter's lock.

    Args:
        options: of `numba.njit`.
    """
    numba.config.CACHE_DIR = _cache()  # type: ignore[attr-defined]
    return numba.njit(cache=True, nogil=True, **options)


@lru_cache(maxsize=1)
def _cache() -> str:
    """`$NUMBA_CACHE_DIR` or a folder of the user's cache, and in it one for these sources and this numba."""
    sources = sha256(numba.__version__.encode())
    for path in sorted(_PACKAGE.rglob("*.py")):
        content = path.read_bytes()
        if b"@kernel(" in content:
            sources.update(content)
    chosen = os.environ.get("NUMBA_CACHE_DIR")
    user = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = (Path(chosen) if chosen else user / "prd" / "kernels") / sources.hexdigest()[:16]
    if not folder.exists():
        console.print("first use on this machine: loops are compiled, which takes a minute or two", markup=False)
    return str(folder)
