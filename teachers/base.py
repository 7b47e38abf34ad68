"""What the shipped teachers share: a frozen U-Net from a diffusers folder and the score-distillation call.

Legend: B prompts, V views a prompt, N = B*V, C channels, H and W pixels, c, h, w the latent's shape, K branches.
"""

from abc import ABC, abstractmethod
from typing import ClassVar, Literal

import torch
from torch import Tensor

from infra.errors import RecipeError
from infra.seeds import generator_for
from infra.weights import resolve_weights
from teachers import guidance
from teachers.attention import install_multiview_attention, require_multiview_attention
from teachers.config import TeacherConfig
from teachers.contract import MapName, TeacherReply, TeacherRequest, TeacherSpec, check_request
from teachers.folder import load_alphas_cumprod, load_unet
from teachers.guidance import Score
from teachers.text import TextEncoder

DTYPES = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}


class DiffusionTeacher(ABC):
    """Asynchronous score distillation from a U-Net that predicts noise (paper, section 3.2).

    A subclass says what it looks at (`maps`, `views`, `resize`), how pixels become latents (`encode`) and, if it
    takes cameras, how they are written (`cameras`).

    Args:
        name: its key in the recipe.
        config: its section.
        device: where its networks go.

    Raises:
        MissingError: weights are missing or damaged.
        RecipeError: weights of another kind of model.
    """

    maps: ClassVar[tuple[MapName, ...]]
    views: ClassVar[int]
    resize: ClassVar[Literal["bilinear", "average"]]

    def __init__(self, name: str, config: TeacherConfig, device: torch.device) -> None:
        self.spec = self.describe(name, config)
        self.config = config
        self.device = device
        self.dtype = DTYPES[config.precision]
        self.folder = resolve_weights(config.weights)
        self.abar = load_alphas_cumprod(self.folder).to(device)
        self.unet = load_unet(self.folder, device, self.dtype)
        self.text = TextEncoder.from_folder(self.folder, device, self.dtype)
        if self.views > 1:
            self._require_camera_input()
            install_multiview_attention(self.unet, self.views)

    @classmethod
    def describe(cls, name: str, config: TeacherConfig) -> TeacherSpec:
        """What this teacher will look at; needs no weights."""
        return TeacherSpec(name, cls.maps, cls.views, config.resolution, cls.resize)

    @abstractmethod
    def encode(self, pixels: Tensor, seed: int) -> Tensor:  # [N, C, H, W] in [0, 1] → [N, c, h, w] fp32
        """Latents of the pixels, differentiable; its randomness comes from `seed`."""

    def cameras(self, request: TeacherRequest) -> Tensor | None:  # [N, 16]
        """Camera numbers for a model that takes them."""
        return None

    def __call__(self, request: TeacherRequest) -> TeacherReply:
        """The gradient of the distillation loss for the pixels, times the teacher's weight.

        Raises:
            InputError: the request does not fit `spec`, or holds values that cannot be.
        """
        check_request(self.spec, request)
        # The caller's autocast or no_grad must not reach in: here and in an actor the answer is to be the same.
        with torch.enable_grad(), torch.autocast(self.device.type, enabled=False):
            pixels = request.pixels.detach().to(self.device, torch.float32).requires_grad_()
            latents = self.encode(pixels, request.seed)
            with torch.no_grad():
                gradient, metrics = self._distil(latents.detach(), request)
            (pixel_gradient,) = torch.autograd.grad(latents, pixels, gradient)
        # Scaled last, so that half precision sees gradients of ordinary size.
        pixel_gradient *= self.config.weight / latents.shape[0]
        return TeacherReply(pixel_gradient, {**metrics, "gradient_norm": pixel_gradient.norm().item()})

    def _distil(self, latents: Tensor, request: TeacherRequest) -> tuple[Tensor, dict[str, float]]:
        """The unscaled gradient g for the latents, and what to log."""
        config, length = self.config, len(self.abar)
        low, high = guidance.timestep_range(
            config.min_timestep.at(request.progress), config.max_timestep.at(request.progress), length
        )
        prompts = len(request.prompts)
        t = guidance.draw_timesteps(low, high, prompts, generator_for(request.seed, "timestep"))
        uniform = torch.rand(prompts, generator=generator_for(request.seed, "shift"))
        t_plus = guidance.shift_timesteps(t, low, config.shift, uniform, length)
        t, t_plus = (steps.repeat_interleave(self.views).to(self.device) for steps in (t, t_plus))

        noise = torch.randn(latents.shape, generator=generator_for(request.seed, "noise")).to(self.device)
        noisy = guidance.add_noise(latents, noise, self.abar[t])
        text = self.text.encode([prompt + config.prompt_suffix for prompt in request.prompts])
        text = text.repeat_interleave(self.views, dim=0)
        negative = self.text.encode([config.negative_prompt]).expand_as(text)
        branches = [(noisy, t, text), (noisy, t, negative)]
        if config.shift:
            noisy_plus = guidance.add_noise(latents, noise, self.abar[t_plus])
            branches.append((noisy_plus, t_plus, text))
        predictions = self.predict(branches, self.cameras(request))

        scale = config.guidance_scale.at(request.progress)
        guided = Score(guidance.classifier_free_guidance(predictions[0], predictions[1], scale), noisy, self.abar[t])
        if config.shift:
            second = Score(predictions[2], noisy_plus, self.abar[t_plus])
        else:
            second = Score(predictions[0], noisy, self.abar[t])
        gradient, weight = guidance.distillation_gradient(
            latents,
            guided,
            second,
            weighting=config.weighting,
            weight_over=config.weight_over,
            views=self.views,
            offset=config.weight_offset,
        )
        return gradient, {
            "loss": config.weight * guidance.distillation_loss(gradient).item(),
            "timestep": t.float().mean().item(),
            "weight": weight.mean().item(),
            "guidance_scale": scale,
        }

    def predict(
        self, branches: list[tuple[Tensor, Tensor, Tensor]], cameras: Tensor | None
    ) -> tuple[Tensor, ...]:  # K times [N, c, h, w] fp32
        """Noise predictions of all branches (noisy latents, timesteps, text) in one pass."""
        if self.views > 1:
            require_multiview_attention(self.unet, self.views)
        noisy, timesteps, text = (torch.cat(parts) for parts in zip(*branches, strict=True))
        if cameras is not None:
            cameras = cameras.to(self.device, self.dtype).repeat(len(branches), 1)
        prediction = self.unet(
            noisy.to(self.dtype), timesteps, encoder_hidden_states=text, class_labels=cameras, return_dict=False
        )[0]
        return prediction.float().chunk(len(branches))

    def _require_camera_input(self) -> None:
        config = self.unet.config
        if (config.get("class_embed_type"), config.get("projection_class_embeddings_input_dim")) != ("projection", 16):
            raise RecipeError(
                f"teachers.{self.spec.name}.weights: {self.folder} is no camera-conditioned model",
                f"{self.config.kind} needs a U-Net with a projection class embedding of 16 numbers",
            )
