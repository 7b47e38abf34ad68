"""`prd doctor`: what works on this machine, what does not, and why."""

import os
import platform
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version

from infra.errors import PRDError
from infra.progress import console
from infra.settings import settings

PACKAGES = (
    "torch",
    "torchvision",
    "diffusers",
    "transformers",
    "deepspeed",
    "ray",
    "datasets",
    "prefect",
    "mlflow",
    "open_clip_torch",
    "nerfacc",
    "trimesh",
)


@dataclass(frozen=True)
class Finding:
    """One line of the report."""

    topic: str
    text: str
    is_problem: bool = False


def examine() -> bool:
    """Print all findings; True when nothing is in the way of a run."""
    problems = 0
    for finding in _findings():
        mark = "[red]✗[/red]" if finding.is_problem else "[green]✓[/green]"
        problems += finding.is_problem
        console.print(f"{mark} {finding.topic:<12}", end="")
        console.print(finding.text, markup=False, soft_wrap=True)
    console.print(f"{problems} problems" if problems else "ready")
    return problems == 0


def _findings() -> Iterator[Finding]:
    yield Finding("python", f"{platform.python_version()} on {platform.platform()}, {os.cpu_count()} cores")
    yield _packages()
    for topic, check in _CHECKS.items():
        try:
            yield Finding(topic, check())
        except PRDError as error:
            yield Finding(topic, str(error), is_problem=True)
        except Exception as error:  # a broken package must not hide the other findings
            yield Finding(topic, f"{type(error).__name__}: {error}", is_problem=True)


def _packages() -> Finding:
    found, missing = [], []
    for name in PACKAGES:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            missing.append(name)
    text = ", ".join(found) + (f"; missing: {', '.join(missing)}" if missing else "")
    return Finding("packages", text, is_problem=bool(missing))


def _device() -> str:
    import torch

    if not torch.cuda.is_available():
        return f"CPU, {torch.get_num_threads()} threads (torch finds no CUDA device)"
    return ", ".join(
        f"{torch.cuda.get_device_name(index)} ({torch.cuda.get_device_properties(index).total_memory / 2**30:.0f} GiB)"
        for index in range(torch.cuda.device_count())
    )


def _rasteriser() -> str:
    from prd.render.raster import backend_report

    return backend_report()


def _home() -> str:
    home = settings().home.absolute()
    home.mkdir(parents=True, exist_ok=True)
    probe = home / ".doctor"
    probe.touch()
    probe.unlink()
    return f"{home}, {shutil.disk_usage(home).free / 2**30:.0f} GiB free ($PRD_HOME)"


def _weights() -> str:
    from infra.weights import find_weights, locked_weights

    here = [name for name in locked_weights() if find_weights(name)]
    return f"{', '.join(here)}; more go to {settings().weights_folder}"


def _prefect() -> str:
    from flows.server import probe_prefect

    return probe_prefect()


def _ray() -> str:
    from infra.cluster import probe_ray

    address = settings().ray_address
    if not address:
        return "a local instance for each run (PRD_RAY_ADDRESS is not set)"
    probe_ray(address)
    return f"cluster at {address} answers"


def _mlflow() -> str:
    uri = settings().tracking_uri
    if uri.startswith("sqlite:///"):
        return f"embedded store {uri}"
    from infra.tracking import open_store

    open_store(uri)
    return f"server {uri} answers"


_CHECKS: dict[str, Callable[[], str]] = {
    "device": _device,
    "rasteriser": _rasteriser,
    "home": _home,
    "weights": _weights,
    "prefect": _prefect,
    "ray": _ray,
    "mlflow": _mlflow,
}
