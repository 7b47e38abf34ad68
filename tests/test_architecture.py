"""The rules of the house: imports go down, heavy libraries stay where they belong, help comes at once."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
MAY_IMPORT = {
    "infra": set(),
    "teachers": {"infra"},
    "prompts": {"infra"},
    "prd": {"teachers", "prompts", "infra"},
    "evaluation": {"prd", "teachers", "infra"},
    "flows": {"evaluation", "prd", "teachers", "prompts", "infra"},
}
ONLY_IN = {
    "prefect": ("flows/",),
    "ray": ("teachers/pool.py", "teachers/replies.py", "prd/launch.py", "prompts/", "infra/cluster.py"),
    "deepspeed": ("prd/engine.py",),
    "mlflow": ("evaluation/registry.py", "infra/tracking.py"),
}


def modules() -> list[Path]:
    return sorted(path for package in MAY_IMPORT for path in (ROOT / package).rglob("*.py"))


def imports(path: Path) -> Iterator[str]:
    """Top-level packages that a file imports, inside functions too."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield (node.module or "").partition(".")[0]


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_go_down(path):
    package = path.relative_to(ROOT).parts[0]
    found = set(imports(path))
    ours = found & (MAY_IMPORT.keys() | {"tests", "benchmarks"}) - {package}
    assert ours <= MAY_IMPORT[package]
    for library, places in ONLY_IN.items():
        if library in found:
            assert str(path.relative_to(ROOT)).startswith(places)


def test_the_rules_look_at_every_package():
    packages = {path.parent.name for path in ROOT.glob("*/__init__.py")}
    assert packages == MAY_IMPORT.keys()
    assert len(modules()) > 50


def test_help_imports_nothing_heavy():
    code = (
        "import sys\n"
        "import flows.cli\n"
        "heavy = {'torch', 'ray', 'prefect', 'mlflow', 'datasets', 'transformers', 'diffusers', 'polars', 'yaml'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert answer.stdout.strip() == "[]"


def test_nothing_shipped_looks_outside_the_repository():
    tracked = subprocess.run(["git", "ls-files"], capture_output=True, text=True, cwd=ROOT)
    if tracked.returncode != 0:
        pytest.skip("not a git checkout")
    for name in tracked.stdout.splitlines():
        path = ROOT / name
        if path.suffix in {".py", ".md", ".yaml", ".toml", ".txt"} and not name.startswith("tests/"):
            assert "../shared" not in path.read_text(encoding="utf-8"), name
