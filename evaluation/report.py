"""`report.json`: what an evaluation found. Scores are comparable within a protocol only."""

from pathlib import Path
from typing import Literal

from pydantic import ValidationError

from evaluation.measured import MeshTruth, TruthSummary
from evaluation.protocol import Protocol
from infra.artifacts import write_json
from infra.config import Config, digest
from infra.errors import InputError, MissingError

REPORT = "report.json"
ROWS = "rows.parquet"
PAGE = "report.html"
BEFORE_TRAINING = "before training"
"""Name of the reference that shows the generator before training."""

_INCIDENTAL: dict = {"created": True, "timings": True, "verdict": True, "meshes": {"__all__": {"seconds"}}}


class Score(Config):
    """A metric over all meshes. Higher is better."""

    raw: float
    """As computed: CLIP score in [0, 2.5], R@1 in [0, 1]."""
    x100: float
    """Times 100, as papers print it."""
    low95: float
    """Lower end of the 95 % bootstrap interval over prompts, times 100."""
    high95: float
    """Upper end, likewise."""


class Scores(Config):
    """The headline. Meshes that failed are in all three, as 0 and as misses."""

    clip_score: Score
    """2.5 max(cos, 0) of image and own prompt, mean over all images."""
    r_at_1: Score
    """Share of images whose own prompt is the most similar of all."""
    r_at_1_pooled: Score
    """Share of prompts that are the most similar to all their images together."""


class Counts(Config):
    """How many of what the scores rest on."""

    prompts: int
    """Distinct prompts."""
    meshes: int
    """Meshes asked for: one per prompt and seed."""
    failed: int
    """Meshes that are missing, empty or unusable."""
    images: int
    """Images the scores are means over, those of failed meshes included."""
    images_rendered: int
    """Images that exist."""


class ViewResult(Config):
    """One image."""

    azimuth_deg: float
    """Where it was seen from."""
    clip_score: float
    """Times 100; 0 when the mesh failed."""
    rank: int | None
    """Place of its own prompt among all; 1 is a hit; null when the mesh failed."""
    picture: str | None
    """File, relative to the report; null when the mesh failed."""


class MeshResult(Config):
    """One mesh."""

    index: int
    """Its number in this evaluation; names its files."""
    prompt: str
    """As written by whoever wrote it: hostile text."""
    seed: int | None
    """Of the generator; null when it did not say."""
    failure: str | None
    """Why there is no usable mesh; null when there is."""
    clip_score: float
    """Mean over its views, times 100."""
    rank: int | None
    """Place of the prompt among all, for all its images together; null when all failed."""
    taken_for: str | None
    """The other prompt that its images match better; null on a hit."""
    views: tuple[ViewResult, ...]
    """In the protocol's order."""
    shape: str | None
    """Picture of the bare shape, relative to the report."""
    mesh: str | None
    """GLB, relative to the report; null when it failed or was not kept."""
    vertices: int
    """0 when it failed."""
    faces: int
    """0 when it failed."""
    seconds: float
    """Time to generate it, as the generator says."""
    truth: MeshTruth | None = None
    """What was measured of it; null when nothing was, or its prompt is outside of the known world."""


class GateCheck(Config):
    """One condition for promotion."""

    name: str
    """What is compared."""
    value: str
    """What this evaluation shows."""
    threshold: str
    """What it must show."""
    passed: bool


class GateVerdict(Config):
    """Whether the checkpoint may become champion, and why."""

    passed: bool
    """All checks passed."""
    reason: str
    """One sentence, for the registry and for people."""
    checks: tuple[GateCheck, ...]
    """Every condition that was looked at."""
    champion_version: str | None
    """The registered version it was compared with; null when there was no champion."""


class ReferencePrompt(Config):
    """What a reference shows of one prompt."""

    prompt: str
    """As of the meshes."""
    clip_score: float
    """Mean over its pictures, times 100; 0 when there are none."""
    rank: int | None
    """Place of the prompt among all, for its pictures together; null when there are none."""
    pictures: tuple[str, ...]
    """Files, relative to the report."""


class ReferenceResult(Config):
    """Other pictures of the same prompts, judged as the meshes are."""

    name: str
    """What they are: `BEFORE_TRAINING`, or a teacher's name."""
    scores: Scores
    prompts: tuple[ReferencePrompt, ...]
    """One for each distinct prompt."""
    truth: TruthSummary | None = None
    """Of meshes that were measured."""


class EvaluationReport(Config):
    """Everything an evaluation found."""

    schema_version: Literal[1] = 1
    """Of this file."""
    created: str
    """When, UTC."""
    protocol: Protocol
    """How the scores were made; `protocol.id` belongs beside every number."""
    context: dict[str, str]
    """What was evaluated: checkpoint, corpus version, recipe digest, code version and what else the caller knows."""
    scores: Scores
    counts: Counts
    verdict: GateVerdict | None = None
    """The gate's, against the champion at the time; null before it has looked."""
    meshes: tuple[MeshResult, ...]
    """In the order they came."""
    references: tuple[ReferenceResult, ...] = ()
    """What the meshes are shown beside."""
    truth: TruthSummary | None = None
    """What was measured of the meshes, where `evaluation.truth` names a world that is known."""
    timings: dict[str, float]
    """Seconds by kind of work."""

    @property
    def identity(self) -> str:
        """Digest of the findings: equal for two evaluations that found the same, whenever they ran."""
        content = self.model_dump(mode="json", exclude=_INCIDENTAL)
        for part in (content, *content["meshes"]):
            for name in ("references", "truth"):
                if not part.get(name):
                    part.pop(name, None)  # reports from before there were any keep their identity
        return digest(content)

    @property
    def failures(self) -> list[MeshResult]:
        return [mesh for mesh in self.meshes if mesh.failure is not None]

    def save(self, folder: Path) -> None:
        """Write `report.json` and, with one row per image, `rows.parquet`."""
        write_json(folder / REPORT, self.model_dump(mode="json"))
        self._rows().write_parquet(folder / ROWS)

    @classmethod
    def load(cls, folder: Path) -> "EvaluationReport":
        """Read a report back.

        Raises:
            MissingError: there is none.
            InputError: it does not parse, or is of another schema version.
        """
        path = folder / REPORT
        try:
            return cls.model_validate_json(path.read_bytes())
        except FileNotFoundError:
            raise MissingError(f"there is no evaluation report at {path}", "run the evaluation first") from None
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"])) or "the file"
            raise InputError(
                f"{path} is not an evaluation report: {where}: {first['msg']}", "run the evaluation again"
            ) from None

    def _rows(self):
        import polars

        return polars.DataFrame(
            [
                {
                    "index": mesh.index,
                    "prompt": mesh.prompt,
                    "seed": mesh.seed,
                    "azimuth_deg": view.azimuth_deg,
                    "clip_score": view.clip_score,
                    "rank": view.rank,
                    "failure": mesh.failure,
                    "protocol": self.protocol.id,
                }
                for mesh in self.meshes
                for view in mesh.views
            ],
            schema={
                "index": polars.Int64,
                "prompt": polars.String,
                "seed": polars.Int64,
                "azimuth_deg": polars.Float64,
                "clip_score": polars.Float64,
                "rank": polars.Int64,
                "failure": polars.String,
                "protocol": polars.String,
            },
        )
