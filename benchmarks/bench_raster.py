"""Time of our rasteriser (forward, antialiased, backward) against a plain z-buffer that loops over
triangles in numpy, and against the time it takes to move input and output through memory once.

python -m benchmarks.bench_raster [--picture torus.png]
"""

import argparse
import time
from collections.abc import Callable

import numpy as np
import torch
import trimesh
from torch import Tensor

from prd.mesh import vertex_normals
from prd.render.raster_torch import TorchRasterizer
from teachers.cameras import orbit

VIEWS, SIZE, REPEATS = 4, 256, 5


def scene() -> tuple[Tensor, Tensor, Tensor]:
    """Clip-space positions, faces and normals as colours of a torus of 50,000 faces in four views."""
    torus = trimesh.creation.torus(0.6, 0.28, major_sections=200, minor_sections=125)
    vertices, faces = torch.tensor(torus.vertices).float(), torch.tensor(torus.faces).long()
    cameras = orbit(torch.arange(VIEWS) * 360 / VIEWS, 25.0, 2.0, 60.0)
    clip = torch.nn.functional.pad(vertices, (0, 1), value=1.0) @ cameras.mvp(SIZE, SIZE).mT
    return clip, faces, (vertex_normals(vertices, faces) + 1) / 2


def seconds(work: Callable[[], object]) -> float:
    """The best of some repeats."""
    times = []
    for _ in range(REPEATS):
        started = time.perf_counter()
        work()
        times.append(time.perf_counter() - started)
    return min(times)


def plain_z_buffer(clip: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Triangle ids + 1 of one view, the obvious way."""
    screen = (clip[:, :2] / clip[:, 3:] + 1) * SIZE / 2
    depth = clip[:, 2] / clip[:, 3]
    nearest, shown = np.full((SIZE, SIZE), np.inf), np.zeros((SIZE, SIZE), dtype=np.int64)
    for face, corners in enumerate(faces):
        (ax, ay), (bx, by), (cx, cy) = screen[corners]
        area = (bx - ax) * (cy - ay) - (cx - ax) * (by - ay)
        left, right = max(int(min(ax, bx, cx)), 0), min(int(max(ax, bx, cx)) + 1, SIZE)
        top, bottom = max(int(min(ay, by, cy)), 0), min(int(max(ay, by, cy)) + 1, SIZE)
        if area == 0 or left >= right or top >= bottom:
            continue
        x, y = np.meshgrid(np.arange(left, right) + 0.5, np.arange(top, bottom) + 0.5)
        v = ((x - ax) * (cy - ay) - (cx - ax) * (y - ay)) / area
        w = ((bx - ax) * (y - ay) - (x - ax) * (by - ay)) / area
        z = depth[corners] @ np.stack([1 - v - w, v, w]).reshape(3, -1)
        window = np.s_[top:bottom, left:right]
        hit = (v >= 0) & (w >= 0) & (v + w <= 1) & (z.reshape(x.shape) < nearest[window])
        nearest[window][hit] = z.reshape(x.shape)[hit]
        shown[window][hit] = face + 1
    return shown


def copy_bandwidth() -> float:
    """Bytes a second that memory gives and takes together, measured on a copy larger than the caches."""
    source = torch.ones(1 << 25)
    target = torch.empty_like(source)
    return 2 * source.nbytes / seconds(lambda: target.copy_(source))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--picture", help="write the first view there")
    picture = parser.parse_args().picture
    clip, faces, colours = scene()
    clip.requires_grad_()
    rasterizer = TorchRasterizer()

    def render() -> Tensor:
        raster = rasterizer.rasterize(clip, faces, SIZE, SIZE)
        image = rasterizer.interpolate(colours, raster, faces)
        image = torch.where(raster.covered[..., None], image, 1.0)
        return rasterizer.antialias(image, raster, clip, faces)

    raster = rasterizer.rasterize(clip, faces, SIZE, SIZE)
    started = time.perf_counter()
    plain = plain_z_buffer(clip.detach()[0].double().numpy(), faces.numpy())
    peer = VIEWS * (time.perf_counter() - started)
    agreement = (plain == raster.triangle[0].numpy()).mean()
    # Nobody can do with less than to read what is given and to write what is asked for, once.
    moved = (
        clip.nbytes + VIEWS * faces.nbytes + raster.barycentric.nbytes + raster.depth.nbytes + raster.triangle.nbytes
    )
    bound = moved / copy_bandwidth()

    coverage = seconds(lambda: rasterizer.rasterize(clip, faces, SIZE, SIZE))
    forward = seconds(render)
    loss = render().square().mean()
    backward = seconds(lambda: loss.backward(retain_graph=True))
    threads = torch.get_num_threads()
    print(f"{VIEWS} views of {SIZE}x{SIZE}, {len(faces)} faces, {threads} threads, torch {torch.__version__}")
    print(
        f"rasterise {coverage * 1e3:.1f} ms: {peer / coverage:.0f} times as fast as the loop ({peer:.2f} s), with which"
    )
    print(f"  {agreement:.2%} of pixels agree; {coverage / bound:.0f} times the memory's bound ({bound * 1e3:.2f} ms)")
    print(f"with colours and antialiasing {forward * 1e3:.1f} ms, {peer / forward:.0f} times as fast as the bare loop")
    print(f"backward {backward * 1e3:.1f} ms, {backward / forward:.2f} of the forward pass")
    if picture:
        from PIL import Image

        Image.fromarray((render()[0].detach() * 255).byte().numpy()).save(picture)


if __name__ == "__main__":
    main()
