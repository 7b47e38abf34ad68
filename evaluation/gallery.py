"""Looking at meshes one by one: pictures and files are kept, features go on, the mesh itself is let go.

Legend: V views, D feature size, H rows, W columns.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from evaluation.clip import ClipScorer
from evaluation.clock import Clock
from evaluation.config import EvaluationConfig
from evaluation.measured import MeshTruth
from evaluation.truth import measure
from evaluation.views import render_views
from prd.inference import GeneratedObject
from prd.mesh import Mesh, why_unusable


@dataclass(frozen=True)
class GeneratedMesh:
    """What the generator made of one prompt."""

    prompt: str
    mesh: Mesh | None
    """None when generation failed."""
    reason: str = ""
    """Why it failed."""
    seconds: float = 0.0
    """How long it took."""
    seed: int | None = None
    """The generator's."""

    @classmethod
    def of(cls, made: GeneratedObject) -> "GeneratedMesh":
        """What a generator made. A surface that had to be forced upon a field is none of its own: a failure."""
        reason = made.failure or ("the field has no surface of its own" if made.bent else "")
        return cls(made.prompt, None if reason else made.mesh, reason, sum(made.seconds.values()), made.seed)


@dataclass(frozen=True)
class Seen:
    """One mesh after it was looked at. Files are relative to the report's folder."""

    prompt: str
    seed: int | None
    seconds: float
    failure: str | None = None
    features: Tensor | None = None  # [V, D], None when it failed
    pictures: tuple[str, ...] = ()
    shape: str | None = None
    mesh: str | None = None
    vertices: int = 0
    faces: int = 0
    truth: MeshTruth | None = None


@dataclass(frozen=True)
class Gallery:
    """Renders meshes, keeps their pictures and files, and takes CLIP's features of them."""

    config: EvaluationConfig
    scorer: ClipScorer
    folder: Path
    write_mesh: Callable[[Mesh, Path], object] | None
    """Writes a GLB; None for `prd.export.write_mesh`."""
    clock: Clock

    def look(self, index: int, made: GeneratedMesh) -> Seen:
        """Look at the mesh numbered `index`; a failed one is passed on with its reason."""
        mesh = made.mesh
        failure = (made.reason or "no mesh was made") if mesh is None else why_unusable(mesh)
        if mesh is None or failure:
            truth = self._measure(made.prompt, None)
            return Seen(made.prompt, made.seed, made.seconds, failure=failure, truth=truth)
        with self.clock("render"):
            views = render_views(mesh, self.config.views, self.scorer.device)
        with self.clock("CLIP"):
            features = self.scorer.image_features(views.colour)
        with self.clock("measure"):
            truth = self._measure(made.prompt, mesh)
        with self.clock("write"):
            return Seen(
                made.prompt,
                made.seed,
                made.seconds,
                features=features,
                pictures=tuple(
                    self._picture(view, f"{index:05d}-{number}") for number, view in enumerate(views.colour)
                ),
                shape=self._picture(views.shape, f"{index:05d}-shape"),
                mesh=self._mesh(mesh, f"{index:05d}") if self.config.save_meshes else None,
                vertices=len(mesh.vertices),
                faces=len(mesh.faces),
                truth=truth,
            )

    def _measure(self, prompt: str, mesh: Mesh | None) -> MeshTruth | None:
        return measure(prompt, mesh) if self.config.truth else None

    def _picture(self, pixels: Tensor, name: str) -> str:  # [H, W, 3] uint8
        return write_picture(pixels, self._place("views", f"{name}.png"), self.folder)

    def _mesh(self, mesh: Mesh, name: str) -> str:
        if self.write_mesh is None:
            from prd.export import write_mesh
        else:
            write_mesh = self.write_mesh
        path = self._place("meshes", f"{name}.glb")
        write_mesh(mesh, path)
        return path.relative_to(self.folder).as_posix()

    def _place(self, kind: str, name: str) -> Path:
        # Names are numbers: prompts are hostile text and never come near a path.
        (self.folder / kind).mkdir(exist_ok=True)
        return self.folder / kind / name


def write_picture(pixels: Tensor, path: Path, folder: Path) -> str:  # [H, W, 3] uint8
    """Write a PNG; returns its path relative to the report's folder."""
    from PIL import Image

    Image.fromarray(pixels.numpy()).save(path)
    return path.relative_to(folder).as_posix()
