"""Where things are on this machine. Never part of a recipe or of a digest."""

from functools import lru_cache
from pathlib import Path

from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """Read from the environment, prefix `PRD_`."""

    model_config = SettingsConfigDict(env_prefix="PRD_", frozen=True, use_attribute_docstrings=True)

    home: Path = Path("runs")
    """Root of corpora, trainings, evaluations and the embedded tracking store."""

    weights: Path | None = None
    """Folder of pretrained models; default `$PRD_HOME/weights`."""

    ray_address: str | None = None
    """Address of a running Ray cluster; a local one is started when unset."""

    mlflow_uri: str | None = None
    """Tracking server; the SQLite store `$PRD_HOME/mlflow.db` when unset."""

    @property
    def weights_folder(self) -> Path:
        return (self.weights or self.home / "weights").absolute()

    @property
    def corpora(self) -> Path:
        return self.home.absolute() / "corpora"

    @property
    def snapshots(self) -> Path:
        return self.home.absolute() / "snapshots"

    @property
    def training(self) -> Path:
        return self.home.absolute() / "training"

    @property
    def evaluations(self) -> Path:
        return self.home.absolute() / "evaluations"

    @property
    def tracking_uri(self) -> str:
        return self.mlflow_uri or f"sqlite:///{self.home.absolute() / 'mlflow.db'}"


@lru_cache
def settings() -> Settings:
    """The settings of this process."""
    return Settings()
