"""Four-view sets of the miniature world a second, against the time that the distances alone would take.

python -m benchmarks.bench_world
"""

import time
from collections.abc import Callable

import torch

from infra.seeds import generator_for
from teachers.cameras import sample_training_cameras
from teachers.miniature.album import CAMERAS, RESOLUTION, VIEWS
from teachers.miniature.scene import Scene, parse
from teachers.miniature.solids import distances, parts_of
from teachers.miniature.world import render

REPEATS = 3
SCENES = [
    *(Scene("red", "sphere"), Scene("blue", "torus"), Scene("green", "cube", nose="yellow")),
    *(Scene("white", "capsule", nose="black"), parse("a red cube on a blue cylinder")),
    *(
        parse("an orange torus on a pink cone"),
        parse("a grey cone on a cyan cube"),
        parse("a pink sphere on a red torus"),
    ),
]


def main() -> None:
    cameras = sample_training_cameras(len(SCENES), VIEWS, generator_for(0, "bench"), CAMERAS)
    sets = f"{len(SCENES)} sets of {VIEWS} views of {RESOLUTION}x{RESOLUTION}"
    print(f"{sets}, best of {REPEATS}, {torch.get_num_threads()} threads, torch {torch.__version__}")
    for supersampling in (1, 2):
        took = min(_seconds(lambda s=supersampling: render(SCENES, cameras, RESOLUTION, s)) for _ in range(REPEATS))
        # Nobody can do with less than to ask every ray once how far the object is.
        rays = VIEWS * (RESOLUTION * supersampling) ** 2
        points = torch.rand(rays, 3)
        once = min(_seconds(lambda p=points: [distances(parts_of(s), p) for s in SCENES]) for _ in range(REPEATS))
        speed, ratio = len(SCENES) / took, took / once
        print(f"{supersampling} x {supersampling} rays a pixel: {speed:.0f} sets a second,", end=" ")
        print(f"{ratio:.0f} times what one distance for every ray takes")


def _seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
