"""Sources and corpora that several tests share."""

from pathlib import Path

import polars as pl
import pytest

from prompts.build import build_corpus
from prompts.config import CorpusConfig

SAMPLES = [f"sample:{name}" for name in ("solids", "midjourney", "captions", "renders", "languages")]


@pytest.fixture(scope="session")
def sample_config() -> CorpusConfig:
    return CorpusConfig(name="mini", sources=SAMPLES, evaluation_prompts="sample:evaluation")


@pytest.fixture(scope="session")
def sample_corpus(sample_config: CorpusConfig, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of the corpus of all samples. Do not write into it."""
    return build_corpus(sample_config, tmp_path_factory.mktemp("corpora"))


@pytest.fixture
def build(tmp_path: Path):
    """`build(text_or_lines, **configuration)` → (rows, rejects) of a corpus of one text file."""

    def make(lines: list[str], **configuration) -> tuple[pl.DataFrame, pl.DataFrame]:
        path = tmp_path / "source.txt"
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        folder = build_corpus(CorpusConfig(sources=str(path), **configuration), tmp_path / "corpora")
        return pl.read_parquet(folder / "data" / "*.parquet"), pl.read_parquet(folder / "rejects.parquet")

    return make
