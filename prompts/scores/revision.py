"""What decides the scores: the code of the scorers in use, what they share, and the lists that they read."""

import ast
from collections.abc import Sequence
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
        source = path.read_text(encoding="utf-8")
        found.update(data for data in (folder / "data").iterdir() if data.stem in _words(source))
        waiting += _imports(source)
    return found


def _words(source: str) -> set[str]:
    """Words that stand for themselves in a module: `"unsafe"`, and `"trigrams"` of `"trigrams.npy"`."""
    nodes = (node.value for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Constant))
    return {Path(value).stem for value in nodes if isinstance(value, str) and "\n" not in value}


def _imports(source: str) -> list[str]:
    """Modules of this folder that a module imports."""
    names = list[str]()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and node.module == _PACKAGE:
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.append(node.module)
        elif isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
    return [name.removeprefix(f"{_PACKAGE}.") for name in names]
