"""The volume renderer: NeuS on a triplane's fields, with importance sampling along rays.

Legend: B prompts, V views, N = B*V, H and W pixels, R rays of one prompt, S samples of a ray.
"""

from dataclasses import dataclass

import torch
from nerfacc import accumulate_along_rays, render_weight_from_alpha
from torch import Tensor
from torch.nn import functional as F

from prd.config import VolumeConfig
from prd.fields import TriplaneFields
from prd.render.gradient import scale_gradient
from prd.render.opacity import neus_opacity
from prd.render.parts import in_parts, points_at_once
from prd.render.sampling import even_intervals, place_intervals, surface_cdf
from teachers.cameras import Cameras
from teachers.maps import OBJECT_RADIUS, RenderedViews, disparity_map, normal_map


@dataclass(frozen=True)
class VolumeRendering:
    """Views, and what the regularisers look at."""

    views: RenderedViews
    sdf_gradient: Tensor  # [M, 3] at the samples of the whole picture

    def sparsity(self) -> Tensor:
        """mean sqrt(opacity² + 0.01): rewards empty space."""
        return (self.views.opacity.square() + 0.01).sqrt().mean()

    def eikonal(self) -> Tensor:
        """mean (‖∇sdf‖ − 1)²: keeps the field a distance."""
        return (self.sdf_gradient.norm(dim=-1) - 1).square().mean()


@dataclass(frozen=True)
class _RayColours:
    """What rays gather, `[B, R, c]` each."""

    rgb: Tensor  # without background
    normal: Tensor  # weighted sum, not normalised
    depth: Tensor  # distance along the ray times opacity
    opacity: Tensor

    def reshape(self, *shape: int) -> "_RayColours":
        return self._each(lambda tensor: tensor.reshape(*shape, tensor.shape[-1]))

    def resize(self, size: int) -> "_RayColours":  # [N, h, w, c] -> [N, size, size, c]
        def enlarge(tensor: Tensor) -> Tensor:
            enlarged = F.interpolate(tensor.permute(0, 3, 1, 2), (size, size), mode="bilinear", align_corners=False)
            return enlarged.permute(0, 2, 3, 1)

        return self._each(enlarge)

    def paste(self, patch: "_RayColours", row: int, column: int) -> "_RayColours":  # [N, H, W, c], [N, p, p, c]
        def put(name: str) -> Tensor:
            picture, piece = getattr(self, name).clone(), getattr(patch, name)
            picture[:, row : row + piece.shape[1], column : column + piece.shape[2]] = piece
            return picture

        return _RayColours(*(put(name) for name in self.__dataclass_fields__))

    def _each(self, change) -> "_RayColours":
        return _RayColours(*(change(getattr(self, name)) for name in self.__dataclass_fields__))


def render_volume(
    fields: TriplaneFields,
    cameras: Cameras,  # N, prompt-major
    background: Tensor,  # [N, 3]
    config: VolumeConfig,
    progress: float,
    generator: torch.Generator | None,
) -> VolumeRendering:
    """Render all views of all prompts.

    Args:
        fields: of B prompts.
        cameras: V for each prompt.
        background: one colour for each view.
        config: sizes; `global_resolution` renders a small picture and one patch in full.
        progress: finished fraction of training, for the colour's gradient factor.
        generator: draws the jitter along rays and the patch; None renders every pixel without jitter.
    """
    prompts, size = fields.planes.shape[0], config.resolution
    origins, directions = cameras.rays(size, size)  # [N, H, W, 3]

    def trace(origins: Tensor, directions: Tensor) -> tuple[_RayColours, Tensor]:
        """Rays `[N, h, w, 3]` to pictures `[N, h, w, c]` and the distance gradients."""
        colours, gradient = _trace(
            fields, origins.reshape(prompts, -1, 3), directions.reshape(prompts, -1, 3), config, progress, generator
        )
        return colours.reshape(*origins.shape[:-1]), gradient

    if config.global_resolution is None or generator is None:
        picture, gradient = trace(origins, directions)
    else:
        # The centre of a ray bundle need not be of unit length; distances along it keep their scale.
        picture, gradient = trace(
            _shrink(origins, config.global_resolution), _shrink(directions, config.global_resolution)
        )
        picture = picture.resize(size)
        patch = config.patch_resolution
        row, column = torch.randint(0, size - patch + 1, (2,), generator=generator).tolist()
        rows, cols = slice(row, row + patch), slice(column, column + patch)
        detail, _ = trace(origins[:, rows, cols], directions[:, rows, cols])
        picture = picture.paste(detail, row, column)

    opacity = picture.opacity
    views = RenderedViews(
        rgb=picture.rgb + background.view(-1, 1, 1, 3) * (1 - opacity),
        normal=normal_map(picture.normal, opacity, cameras),
        disparity=disparity_map(picture.depth, opacity, cameras.distance),
        opacity=opacity,
    )
    return VolumeRendering(views, gradient.reshape(-1, 3))


def _trace(
    fields: TriplaneFields,
    origins: Tensor,  # [B, R, 3]
    directions: Tensor,  # [B, R, 3]
    config: VolumeConfig,
    progress: float,
    generator: torch.Generator | None,
) -> tuple[_RayColours, Tensor]:  # the second: [B, R, S, 3]
    prompts, rays = origins.shape[:2]

    def jitter() -> Tensor:  # [B, R, 1]
        if generator is None:
            return origins.new_full((prompts, rays, 1), 0.5)
        return torch.rand(prompts, rays, 1, generator=generator).to(origins)

    def place(origins: Tensor, directions: Tensor, *jitters: Tensor) -> tuple[Tensor]:
        return (_ray_edges(fields, origins, directions, *jitters, config=config),)

    def shade(origins: Tensor, directions: Tensor, edges: Tensor) -> tuple[Tensor, ...]:
        factor = config.colour_gradient.at(progress)
        return _shade(fields, origins, directions, edges, config.inverse_std, factor)

    samples = config.coarse_intervals + config.fine_intervals + 1
    rays_at_once = max(points_at_once(origins.device) // (prompts * samples), 1)
    with torch.no_grad():
        (edges,) = in_parts(place, (origins, directions, jitter(), jitter()), rays_at_once)
    rgb, normal, depth, opacity, gradient = in_parts(shade, (origins, directions, edges), rays_at_once)
    return _RayColours(rgb, normal, depth, opacity), gradient


def _shade(
    fields: TriplaneFields,
    origins: Tensor,  # [B, R, 3]
    directions: Tensor,  # [B, R, 3]
    edges: Tensor,  # [B, R, S + 1]
    inverse_std: float,
    colour_gradient: float,
) -> tuple[Tensor, ...]:
    """What rays gather, as in `_RayColours`, and the distance's gradient at their samples `[B, R, S, 3]`."""
    prompts, rays, samples = *origins.shape[:2], edges.shape[-1] - 1
    middles = ((edges[..., 1:] + edges[..., :-1]) / 2).unsqueeze(-1)  # [B, R, S, 1]
    points = origins.unsqueeze(2) + directions.unsqueeze(2) * middles  # [B, R, S, 3]

    sdf, gradient = fields.sdf_and_gradient(points.flatten(1, 2))
    colour = scale_gradient(fields.colour(points.flatten(1, 2)), colour_gradient)
    normal = F.normalize(gradient, dim=-1)
    alpha = neus_opacity(
        sdf.view(prompts * rays, samples),
        normal.view(prompts * rays, samples, 3),
        directions.reshape(-1, 1, 3),
        edges.diff(dim=-1).flatten(0, 1),
        inverse_std,
    )
    weights, _ = render_weight_from_alpha(alpha)

    def gather(values: Tensor | None) -> Tensor:
        per_ray = None if values is None else values.reshape(prompts * rays, samples, -1)
        return accumulate_along_rays(weights, per_ray).view(prompts, rays, -1)

    return gather(colour), gather(normal), gather(middles), gather(None), gradient.view(*points.shape)


def _ray_edges(
    fields: TriplaneFields,
    origins: Tensor,  # [B, R, 3]
    directions: Tensor,  # [B, R, 3]
    coarse_jitter: Tensor,  # [B, R, 1]
    fine_jitter: Tensor,  # [B, R, 1]
    config: VolumeConfig,
) -> Tensor:  # [B, R, coarse + fine + 2]
    """Even intervals, and finer ones where the distances say a surface is."""
    prompts, rays = origins.shape[:2]
    coarse = even_intervals(
        prompts * rays, config.near, config.far, config.coarse_intervals, coarse_jitter.flatten(0, 1)
    )
    middles = ((coarse[:, 1:] + coarse[:, :-1]) / 2).view(prompts, rays, -1, 1)
    points = origins.unsqueeze(2) + directions.unsqueeze(2) * middles
    sdf = fields.sdf(points.flatten(1, 2)).view(prompts * rays, -1)
    step = 2 * OBJECT_RADIUS / config.fine_intervals
    cdf = surface_cdf(sdf, coarse, step, config.inverse_std)
    fine = place_intervals(coarse, cdf, config.fine_intervals, fine_jitter.flatten(0, 1))
    return torch.cat([coarse, fine], dim=-1).sort(dim=-1).values.unflatten(0, (prompts, rays))


def _shrink(rays: Tensor, size: int) -> Tensor:  # [N, H, W, 3] -> [N, size, size, 3]
    small = F.interpolate(rays.permute(0, 3, 1, 2), (size, size), mode="bilinear", align_corners=False)
    return small.permute(0, 2, 3, 1)
