"""`prd train --plan`: who sits where, as a table, and whether it fits."""

from collections.abc import Iterator

from flows.recipe import Recipe
from infra.cluster import cluster_gpus
from infra.errors import RecipeError
from infra.progress import console
from infra.settings import settings
from prd.plan import Place, Room, objections, plan_training

_LINE = "{:<12} {:>4}  {:<18} {:>10} {:>10} {:>10}  {}"


def show_plan(recipe: Recipe, gpus: int | None = None, gpu_memory_gb: float | None = None) -> None:
    """Print the plan of a training.

    Args:
        recipe: what is to be trained.
        gpus: how many there are; default those of the Ray cluster that is set, else of this machine.
        gpu_memory_gb: of each; default that of this machine's.

    Raises:
        RecipeError: it cannot fit.
        UnavailableError: the cluster does not answer.
    """
    places, room = plan_training(recipe), _room(gpus, gpu_memory_gb)
    for line in _lines(places):
        console.print(line, markup=False, soft_wrap=True)
    wanted = sum(place.count * place.gpus for place in places)
    memory = "" if room.gpu_bytes is None else f" of {room.gpu_bytes / 1e9:.0f} GB"
    console.print(f"GPUs: {wanted:g} wanted, {room.gpus} there{memory}", highlight=False)
    if room.memory_bytes is not None and any(not place.gpus for place in places):
        together = sum(place.count * place.bytes for place in places if not place.gpus)
        console.print(f"main memory: {together / 1e9:.1f} GB wanted, {room.memory_bytes / 1e9:.1f} GB there")
    if found := objections(places, room):
        raise RecipeError("this plan cannot fit:\n" + "\n".join(f"  - {one}" for one in found))


def _lines(places: list[Place]) -> Iterator[str]:
    yield _LINE.format("process", "GPUs", "model", "parameters", "weights", "working", "").rstrip()
    for place in places:
        who, gpus = f"{place.count} x {place.who}", f"{place.gpus:g}"
        for share in place.shares:
            sizes = (f"{share.parameters / 1e6:.1f} M", _gb(share.weights), _gb(share.working))
            yield _LINE.format(who, gpus, share.model, *sizes, share.remark).rstrip()
            who = gpus = ""
        yield _LINE.format("", "", "each in all", "", "", _gb(place.bytes), "").rstrip()


def _gb(count: float) -> str:
    return f"{count / 1e9:.2f} GB"


def _room(gpus: int | None, gpu_memory_gb: float | None) -> Room:
    import psutil
    import torch

    if address := settings().ray_address:
        gpus = cluster_gpus(address) if gpus is None else gpus
        memory = None
    else:
        memory = psutil.virtual_memory().total
    here = torch.cuda.device_count()
    known = [torch.cuda.get_device_properties(index).total_memory for index in range(here)]
    gpu_bytes = int(gpu_memory_gb * 1e9) if gpu_memory_gb else (min(known) if known else None)
    return Room(here if gpus is None else gpus, gpu_bytes, memory)
