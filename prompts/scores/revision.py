"""What decides the scores: the code of the scorers in use, what they share, and the lists that they read."""

import ast
from collections.abc import Sequence
from functools import lru_cache
from hashlib import sha256
from pathlib import Path

_PACKAGE = "prompts.scores"
_FOLDER = Path(__file__).parent


def revision(names: Sequence[str], folder: Path = _FOLDER) -> str:
    """A digest of everything inside this folder that the scores come from; other files of it make no difference.

    Args:
        names: of scorers.
        folder: of their modules.
    """
    known = sha256()
    for path in sorted(_files(names, folder)):
        known.update(f"{path.relative_to(folder).as_posix()} {sha256(path.read_bytes()).hexdigest()}\n".encode())
    return known.hexdigest()


def _files(names: Sequence[str], folder: Path) -> set[Path]:
    """Modules of scorers, those that they import, and the data that one of them names."""
    found, waiting = set[Path](), list(names)
    while waiting:
        path = folder / f"{waiting.pop()}.py"
        if path in found or not path.is_file():
            continue
        found.add(path)
        words, imports = _named_in(path.read_text(encoding="utf-8"))
        found.update(data for data in (folder / "data").iterdir() if data.stem in words)
        waiting += imports
    return found


@lru_cache
def _named_in(source: str) -> tuple[set[str], list[str]]:
    """Words that stand for themselves in a module, `"unsafe"` or `"trigrams"` of `"trigrams.npy"`; and what it imports
    of this folder."""
    words, imports = set[str](), list[str]()
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Constant(value=str() as text) if "\n" not in text:
                words.add(Path(text).stem)
            case ast.ImportFrom(module=str() as module):
                imports += [module, *(alias.name for alias in node.names if module == _PACKAGE)]
            case ast.Import():
                imports += [alias.name for alias in node.names]
    return words, [name.removeprefix(f"{_PACKAGE}.") for name in imports]
