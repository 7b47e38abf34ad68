"""The rasteriser for machines without nvdiffrast: plain torch on any device, deterministic on the CPU.

Coverage is exact: vertices are snapped to 1/256 of a pixel, where edge functions in double precision have no rounding,
so a pixel centre on an edge or vertex shared by several triangles belongs to exactly one of them. Weights and depths
come from the unsnapped positions.

A triangle with a vertex behind the camera is left out whole, since our cameras stand outside of the object; fragments
outside of the near and far planes are left out one by one.

Legend: V views, N vertices, F faces, C channels, H rows and W columns of the image; T triangles in sight, R fragments
(a pixel under the bounding box of a triangle), M covered pixels.
"""

from collections.abc import Iterator

import torch
from torch import Tensor

from prd.render.raster import Raster, drawable
from prd.render.raster_silhouettes import blend_silhouettes

_SUBPIXELS = 256
_CHUNK = 1 << 19  # fragments looked at together: bounds the memory however large triangles are
_EMPTY = torch.iinfo(torch.int64).max


class TorchRasterizer:
    """See `prd.render.raster.Rasterizer`."""

    def rasterize(self, clip: Tensor, faces: Tensor, height: int, width: int) -> Raster:
        views = len(clip)
        nearest = torch.full((views * height * width,), _EMPTY, dtype=torch.int64, device=clip.device)
        with torch.no_grad():
            for pixel, key in _fragments(clip.detach(), faces, height, width):
                nearest.scatter_reduce_(0, pixel, key, "amin")
        covered = (nearest != _EMPTY).nonzero().squeeze(1)  # [M]
        face = nearest[covered] & 0xFFFFFFFF

        weights, depth = _weights_and_depth(clip, faces, covered, face, height, width)
        shape = (views, height, width)
        empty = torch.zeros(views * height * width, dtype=clip.dtype, device=clip.device)
        return Raster(
            barycentric=empty[:, None].repeat(1, 2).index_copy(0, covered, weights[:, :2]).reshape(*shape, 2),
            depth=empty.index_copy(0, covered, depth).reshape(shape),
            triangle=torch.zeros_like(nearest).index_copy(0, covered, face + 1).reshape(shape),
        )

    def interpolate(self, attributes: Tensor, raster: Raster, faces: Tensor) -> Tensor:
        views, height, width = raster.triangle.shape
        covered = raster.covered.reshape(-1).nonzero().squeeze(1)  # [M]
        corners = faces[raster.triangle.reshape(-1)[covered] - 1]  # [M, 3]
        if attributes.dim() == 3:
            corners = corners + (covered // (height * width) * attributes.shape[1])[:, None]
            attributes = attributes.reshape(-1, attributes.shape[2])

        u, v = raster.barycentric.reshape(-1, 2).index_select(0, covered).unsqueeze(-1).unbind(dim=1)  # [M, 1]
        first, second, third = (attributes.index_select(0, corner) for corner in corners.unbind(dim=1))
        values = u * first + v * second + (1 - u - v) * third
        empty = values.new_zeros(views * height * width, values.shape[1])
        return empty.index_copy(0, covered, values).reshape(views, height, width, -1)

    def antialias(self, image: Tensor, raster: Raster, clip: Tensor, faces: Tensor) -> Tensor:
        return blend_silhouettes(image, raster, clip, faces)


def _fragments(clip: Tensor, faces: Tensor, height: int, width: int) -> Iterator[tuple[Tensor, Tensor]]:
    """The covered pixels of all triangles, in portions: flat pixel indices and keys that sort by depth, then face."""
    view, face, corners, depth = _triangles_in_sight(clip, faces, height, width)
    x, y = corners[..., 0], corners[..., 1]  # [T, 3] in subpixels
    left, columns = _pixel_range(x, width)
    top, rows = _pixel_range(y, height)
    area = (x[:, 1] - x[:, 0]) * (y[:, 2] - y[:, 0]) - (x[:, 2] - x[:, 0]) * (y[:, 1] - y[:, 0])
    candidate = ((columns > 0) & (rows > 0) & (area != 0)).nonzero().squeeze(1)
    view, face, left, columns, top, rows = (t[candidate] for t in (view, face, left, columns, top, rows))

    # Wind all triangles the same way, so that inside is where all three edge functions are positive.
    x, y, depth, area = x[candidate], y[candidate], depth[candidate], area[candidate]
    backwards = (area < 0).unsqueeze(1)
    x, y, depth = (torch.where(backwards, t.flip(1), t) for t in (x, y, depth))
    # Edge i runs opposite of corner i: its function is slope_x * px + slope_y * py + offset.
    start_x, start_y, end_x, end_y = x.roll(-1, 1), y.roll(-1, 1), x.roll(-2, 1), y.roll(-2, 1)
    slope_x, slope_y = start_y - end_y, end_x - start_x
    # A pixel centre on an edge counts for the triangle on one side of it: the functions are whole numbers.
    bias = torch.where((slope_x > 0) | ((slope_x == 0) & (slope_y > 0)), 0.0, -0.5).to(slope_x.dtype)
    # Depth is linear on the screen.
    weight = 1 / area.abs()
    depth_x, depth_y = (slope_x * depth).sum(1) * weight, (slope_y * depth).sum(1) * weight

    count = columns * rows
    for some in _chunks(count):
        triangle, order = _expand(count[some])
        column = left[some][triangle] + order % columns[some][triangle]
        row = top[some][triangle] + order // columns[some][triangle]
        px = (column * _SUBPIXELS + _SUBPIXELS // 2).to(x.dtype)
        py = (row * _SUBPIXELS + _SUBPIXELS // 2).to(x.dtype)
        inside = torch.ones_like(px, dtype=torch.bool)
        for edge in range(3):
            dx = px - start_x[some, edge][triangle]
            dy = py - start_y[some, edge][triangle]
            value = slope_x[some, edge][triangle] * dx + slope_y[some, edge][triangle] * dy
            inside &= value + bias[some, edge][triangle] >= 0

        hit = inside.nonzero().squeeze(1)
        triangle, px, py = triangle[hit], px[hit], py[hit]
        z = depth[some, 0][triangle]
        z = z + depth_x[some][triangle] * (px - x[some, 0][triangle])
        z = z + depth_y[some][triangle] * (py - y[some, 0][triangle])
        pixel = (view[some][triangle] * height + row[hit]) * width + column[hit]
        within = z.abs() <= 1
        yield pixel[within], _sortable(z[within].float()) << 32 | face[some][triangle][within]


def _triangles_in_sight(
    clip: Tensor, faces: Tensor, height: int, width: int
) -> tuple[Tensor, Tensor, Tensor, Tensor]:  # [T], [T], [T, 3, 2], [T, 3]
    """View, face, snapped corners (float64 whole subpixels) and corner depths of what may be seen."""
    w = clip[..., 3]
    safe = torch.where(w > 0, w, 1.0)
    size = torch.tensor([width, height], dtype=torch.float64, device=clip.device)
    screen = (clip[..., :2].double() / safe.double().unsqueeze(-1) + 1) * (size / 2)  # [V, N, 2] pixels
    snapped = (screen * _SUBPIXELS).round()
    depth = clip[..., 2].double() / safe

    view, face = drawable(clip)[:, faces].all(dim=-1).nonzero().unbind(dim=1)
    corner = (view * clip.shape[1]).unsqueeze(1) + faces[face]
    return view, face, snapped.reshape(-1, 2)[corner], depth.reshape(-1)[corner]


def _pixel_range(coordinate: Tensor, size: int) -> tuple[Tensor, Tensor]:  # [T, 3] → [T], [T]
    """First pixel whose centre lies in the triangle's extent, and the number of such pixels inside the image."""
    centre = _SUBPIXELS // 2
    first = torch.ceil((coordinate.amin(1) - centre) / _SUBPIXELS).clamp(0, size)
    last = torch.floor((coordinate.amax(1) - centre) / _SUBPIXELS).clamp(-1, size - 1)
    return first.long(), (last - first + 1).clamp(min=0).long()


def _chunks(count: Tensor) -> Iterator[slice]:
    """Cut triangles into runs of at most `_CHUNK` fragments, or of one triangle."""
    ends = count.cumsum(0).cpu()
    start, total = 0, len(ends)
    while start < total:
        done = int(ends[start - 1]) if start else 0
        stop = max(start + 1, int(torch.searchsorted(ends, done + _CHUNK, right=True)))
        yield slice(start, stop)
        start = stop


def _expand(count: Tensor) -> tuple[Tensor, Tensor]:
    """For [2, 3]: owners [0, 0, 1, 1, 1] and positions within the owner [0, 1, 0, 1, 2]."""
    owner = torch.repeat_interleave(torch.arange(len(count), device=count.device), count)
    first = count.cumsum(0) - count
    return owner, torch.arange(len(owner), device=count.device) - first[owner]


def _sortable(depth: Tensor) -> Tensor:
    """Whole numbers (32 bits, signed) in the order of the float32 `depth`."""
    bits = (depth + 0.0).view(torch.int32)  # + 0.0 makes -0.0 equal to 0.0
    return torch.where(bits < 0, bits ^ 0x7FFFFFFF, bits).long()


def _weights_and_depth(
    clip: Tensor, faces: Tensor, pixel: Tensor, face: Tensor, height: int, width: int
) -> tuple[Tensor, Tensor]:  # [M, 3], [M]
    """Perspective-correct weights of a pixel's three corners (differentiable) and z / w there (not)."""
    corner = (pixel // (height * width) * clip.shape[1]).unsqueeze(1) + faces[face]
    x, y, z, w = clip.reshape(-1, 4).index_select(0, corner.reshape(-1)).reshape(-1, 3, 4).unbind(dim=-1)
    ndc_x = ((pixel % width + 0.5) * (2 / width) - 1).to(clip.dtype).unsqueeze(1)
    ndc_y = ((pixel // width % height + 0.5) * (2 / height) - 1).to(clip.dtype).unsqueeze(1)
    # Seen along the pixel's ray, each corner's weight is the area of the triangle that it faces.
    x, y = x - ndc_x * w, y - ndc_y * w
    opposite = x.roll(-1, 1) * y.roll(-2, 1) - x.roll(-2, 1) * y.roll(-1, 1)
    total = opposite.sum(dim=1, keepdim=True)
    tiny = torch.finfo(clip.dtype).tiny
    weights = opposite / torch.where(total.abs() < tiny, tiny, total)
    # Snapping may have moved a centre into the triangle that is just outside of it.
    weights = weights.clamp(min=0)
    weights = weights / weights.sum(dim=1, keepdim=True).clamp(min=tiny)
    with torch.no_grad():
        depth = (weights * z).sum(dim=1) / (weights * w).sum(dim=1)
    return weights, depth
