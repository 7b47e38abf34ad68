"""Antialiasing of silhouettes: the only way in which an image tells where an outline should go. For both rasterisers.

An edge is a silhouette in a view when the surface ends there or folds back behind itself. Where it passes between the
centres of two neighbouring pixels, the nearer surface covers part of the way; a steep edge is met by rows, a flat one
by columns, so no piece of the outline counts twice. All silhouettes of the mesh are looked at, not only those of the
triangles that pixel centres happen to hit: towards an outline, triangles are foreshortened to less than a pixel, and
the outline of a fine mesh would get no gradient.

Legend: V views, N vertices, F faces, C channels, E edges, S silhouettes (an edge in a view), Q crossings, H rows and
W columns of the image.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from prd.render.raster import Raster, drawable


@dataclass(frozen=True)
class Crossings:
    """Neighbouring pixels with a silhouette between them."""

    inner: Tensor  # [Q] flat index of the pixel that shows the surface which ends
    outer: Tensor  # [Q] flat index of its neighbour
    share: Tensor  # [Q] where between both centres: -0.5 at the inner one, 0.5 at the outer one; differentiable


@dataclass(frozen=True)
class _Edges:
    start: Tensor  # [E]
    end: Tensor  # [E]
    faces: Tensor  # [E, 2] the face that runs from start to end, and the one across; -1 without one
    same_winding: Tensor  # [E] whether both run the same way, so that one of them is inside out


@dataclass(frozen=True)
class _Silhouettes:
    start: Tensor  # [S] rows of the flat positions [V * N]
    end: Tensor  # [S]
    side: Tensor  # [S] +1 or -1: on which side of the line from start to end (on the screen) the surface lies
    view: Tensor  # [S]


def blend_silhouettes(
    image: Tensor,  # [V, H, W, C]
    raster: Raster,
    clip: Tensor,  # [V, N, 4]
    faces: Tensor,  # [F, 3]
) -> Tensor:  # [V, H, W, C]
    """Mix pixels with their neighbours, by how far those reach into them or they fall short of filling their own place.

    A pixel stays within the range of colours of itself and its neighbours. Differentiable in `image` and `clip`.
    """
    pixels = image.reshape(-1, image.shape[-1])
    crossings = find_crossings(raster, clip, faces)
    beyond = crossings.share > 0  # the surface ends inside the outer pixel
    target = torch.where(beyond, crossings.outer, crossings.inner)
    source = torch.where(beyond, crossings.inner, crossings.outer)
    share = crossings.share.abs()
    total = share.new_zeros(len(pixels)).index_add(0, target, share)  # more than 1 only around specks
    share = (share / total.clamp(min=1).index_select(0, target)).unsqueeze(1)
    difference = pixels.index_select(0, source) - pixels.index_select(0, target)
    return pixels.index_add(0, target, share * difference).reshape(image.shape)


def find_crossings(raster: Raster, clip: Tensor, faces: Tensor) -> Crossings:  # [V, N, 4], [F, 3]
    """All places where a visible silhouette passes between the centres of neighbouring pixels."""
    _, height, width = raster.triangle.shape
    half = torch.tensor([width / 2, height / 2], dtype=clip.dtype, device=clip.device)
    shown = drawable(clip)
    # Any finite place does for the others; what is not finite would spoil gradients even where nothing looks at it.
    x, y, z, w = torch.where(shown.unsqueeze(-1), clip, 1.0).unbind(dim=-1)
    screen = ((torch.stack([x / w, y / w], dim=-1) + 1) * half).reshape(-1, 2)  # [V * N, 2] pixels
    with torch.no_grad():
        silhouettes = _silhouettes(screen, shown, faces)
        depth = (z / w).reshape(-1)
    found = [_along(axis, silhouettes, screen, depth, raster) for axis in (0, 1)]
    return Crossings(*(torch.cat(parts) for parts in zip(*found, strict=True)))


def _along(
    axis: int,  # 0: between the pixels of a row, 1: of a column
    silhouettes: _Silhouettes,
    screen: Tensor,  # [V * N, 2]
    depth: Tensor,  # [V * N]
    raster: Raster,
) -> tuple[Tensor, Tensor, Tensor]:
    _, height, width = raster.triangle.shape
    length, lines = (width, height) if axis == 0 else (height, width)
    stride, line_stride = (1, width) if axis == 0 else (width, 1)
    with torch.no_grad():
        silhouette, line = _lines_met(axis, silhouettes, screen, lines)
        start, end, side, view = (
            values[silhouette] for values in (silhouettes.start, silhouettes.end, silhouettes.side, silhouettes.view)
        )
        fraction, where = _intersection(screen, start, end, line, axis)
        before = torch.floor(where - 0.5)  # the pixel whose centre comes just before
        # With y downwards and a positive side, the surface of an edge that runs down lies at smaller x.
        falling = screen[end, 1 - axis] > screen[start, 1 - axis]
        surface_before = (side > 0) == (falling if axis == 0 else ~falling)

        pixel = view * (height * width) + line * line_stride + before.clamp(0, length - 2).long() * stride
        inner = torch.where(surface_before, pixel, pixel + stride)
        outer = torch.where(surface_before, pixel + stride, pixel)
        triangle = raster.triangle.reshape(-1)
        shown = torch.where(triangle > 0, raster.depth.reshape(-1), torch.inf)
        edge_depth = torch.lerp(depth[start], depth[end], fraction)
        visible = (before >= 0) & (before < length - 1) & (edge_depth.abs() <= 1)
        visible &= (triangle[inner] != triangle[outer]) & (shown[inner] < shown[outer])
        visible &= edge_depth < shown[outer]
        kept = visible.nonzero().squeeze(1)

        # Seen from the outer pixel, the first silhouette hides the others of the same pair.
        distance = (where - before - 0.5)[kept]
        distance = torch.where(surface_before[kept], 1 - distance, distance)
        kept = kept[_first_of_each(outer[kept] * 2 + surface_before[kept].long(), distance)]
        start, end, line, before, surface_before, inner, outer = (
            values[kept] for values in (start, end, line, before, surface_before, inner, outer)
        )
    _, where = _intersection(screen, start, end, line, axis)
    return inner, outer, (where - before - 1) * torch.where(surface_before, 1.0, -1.0)


def _lines_met(
    axis: int, silhouettes: _Silhouettes, screen: Tensor, lines: int
) -> tuple[Tensor, Tensor]:  # [Q] silhouette, [Q] line
    """Which lines of pixel centres each silhouette meets; an end point on a line counts once where edges join."""
    start, end = screen[silhouettes.start], screen[silhouettes.end]
    extent = (end - start).abs()
    across = 1 - axis
    steep = extent[:, 1] >= extent[:, 0] if axis == 0 else extent[:, 0] > extent[:, 1]
    low = torch.minimum(start[:, across], end[:, across])
    high = torch.maximum(start[:, across], end[:, across])
    first = torch.ceil(low - 0.5).clamp(0, lines).long()
    count = (torch.ceil(high - 0.5).clamp(0, lines).long() - first) * steep
    silhouette = torch.repeat_interleave(torch.arange(len(count), device=count.device), count)
    before = count.cumsum(0) - count
    position = torch.arange(len(silhouette), device=count.device) - before[silhouette]
    return silhouette, first[silhouette] + position


def _intersection(
    screen: Tensor, start: Tensor, end: Tensor, line: Tensor, axis: int
) -> tuple[Tensor, Tensor]:  # [Q], [Q]
    """Where an edge meets a line of pixel centres: the fraction from start to end, and the coordinate on the line."""
    a, b = screen.index_select(0, start), screen.index_select(0, end)
    across = 1 - axis
    rise = b[:, across] - a[:, across]
    fraction = ((line + 0.5).to(screen.dtype) - a[:, across]) / rise
    return fraction, a[:, axis] + fraction * (b[:, axis] - a[:, axis])


def _silhouettes(screen: Tensor, good: Tensor, faces: Tensor) -> _Silhouettes:  # [V * N, 2], [V, N], [F, 3]
    views, vertices = good.shape
    edges = _edges(faces)
    corners = screen.reshape(views, vertices, 2)[:, faces]  # [V, F, 3, 2]
    b, c = corners[:, :, 1] - corners[:, :, 0], corners[:, :, 2] - corners[:, :, 0]
    # Twice the area on the screen, signed. An extra last entry stands for no face.
    area = torch.nn.functional.pad(b[..., 0] * c[..., 1] - b[..., 1] * c[..., 0], (0, 1))  # [V, F + 1]
    drawn = torch.nn.functional.pad(good[:, faces].all(dim=-1), (0, 1))

    here, across = (area[:, face] for face in edges.faces.unbind(dim=1))  # [V, E]
    drawn_here, drawn_across = (drawn[:, face] for face in edges.faces.unbind(dim=1))
    across = torch.where(edges.same_winding, -across, across)
    folds = drawn_here & drawn_across & ((here > 0) != (across > 0))
    ends = drawn_here != drawn_across
    view, edge = (folds | ends).nonzero().unbind(dim=1)
    # The face that shows more of itself says where the surface is; `across` sees the edge run the other way.
    here, across = here * drawn_here, across * drawn_across
    side = torch.where(here.abs() >= across.abs(), here, -across)[view, edge].sign()
    return _Silhouettes(edges.start[edge] + view * vertices, edges.end[edge] + view * vertices, side, view)


def _edges(faces: Tensor) -> _Edges:  # [F, 3]
    """The edges between faces. Where more than two faces share one, they are paired off in their order."""
    start, end = faces.reshape(-1), faces.roll(-1, 1).reshape(-1)  # half-edges [3 F]
    low, high = torch.minimum(start, end), torch.maximum(start, end)
    key, order = (low * (high.max() + 1 if len(high) else 1) + high).sort(stable=True)
    position = torch.arange(len(key), device=faces.device)
    begins = torch.ones_like(key, dtype=torch.bool)
    begins[1:] = key[1:] != key[:-1]
    first_of_edge = torch.where(begins, position, 0).cummax(dim=0).values
    first = ((position - first_of_edge) % 2 == 0).nonzero().squeeze(1)
    second = (first + 1).clamp(max=len(key) - 1)
    paired = (second > first) & (key[second] == key[first])
    half, other = order[first], order[second]
    return _Edges(
        start=start[half],
        end=end[half],
        faces=torch.stack([half // 3, torch.where(paired, other // 3, -1)], dim=1),
        same_winding=paired & (start[half] == start[other]),
    )


def _first_of_each(group: Tensor, value: Tensor) -> Tensor:  # [Q], [Q]
    """Index of the entry with the lowest value of each group."""
    order = value.argsort(stable=True)
    order = order[group[order].argsort(stable=True)]
    sorted_group = group[order]
    begins = torch.ones_like(sorted_group, dtype=torch.bool)
    begins[1:] = sorted_group[1:] != sorted_group[:-1]
    return order[begins]
