"""The text-to-triplane generator: a latent diffusion model, adapted to denoise and decode six planes together.

Legend: B prompts, P = 6 planes, L text tokens, h and w latent texels, H and W plane texels, C plane channels.
A batch of planes is prompt-major: row = prompt * 6 + plane.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor, nn

from infra.seeds import derive_seed
from prd.adapters import PLANES, adapt_decoder, adapt_unet
from prd.base_sample import sample_base
from prd.config import GeneratorConfig
from prd.fields import FieldHeads, TriplaneFields
from prd.picture_start import start_from_picture
from prd.schedule import NoiseSchedule, few_step_timesteps
from teachers.folder import load_unet, load_vae

LATENT_CHANNELS = 4


class TriplaneGenerator(nn.Module):
    """Six planes from noise and text in K denoising steps.

    Args:
        unet: diffusers' `UNet2DConditionModel` that predicts noise. Adapted in place, its own weights are frozen.
        vae: diffusers' `AutoencoderKL`; its decoder is adapted, its encoder dropped.
        config: sizes and the kind of adaptation.
    """

    def __init__(self, unet: nn.Module, vae: nn.Module, config: GeneratorConfig) -> None:
        super().__init__()
        self.config = config
        self.schedule = NoiseSchedule.scaled_linear()
        self.timesteps = few_step_timesteps(config.steps)
        base = [*unet.parameters(), *vae.decoder.parameters(), *vae.post_quant_conv.parameters()]  # type: ignore[union-attr]
        for parameter in base:
            parameter.requires_grad_(config.adaptation == "full")
        # While all of it is here and nothing else is: training shards it, and layers of our own join it.
        self.base_sample = sample_base(unet, vae.post_quant_conv, vae.decoder)  # type: ignore[arg-type]
        rgb_output = vae.decoder.conv_out  # type: ignore[union-attr]
        adapt_unet(unet, config.rank, config.adaptation)
        adapt_decoder(vae.decoder, config.rank, config.plane_channels, config.adaptation)  # type: ignore[arg-type]
        self.latent_scale: float = vae.config["scaling_factor"] if config.unscale_latents else 1.0  # type: ignore[index]
        self.unet = unet
        self.post_quant_conv = vae.post_quant_conv
        self.decoder = vae.decoder
        self.heads = FieldHeads(config.plane_channels, config.hidden_width)
        if config.initial_colour == "picture":
            start_from_picture(self.decoder.conv_out, rgb_output, self.heads.colour)  # type: ignore[arg-type]

    @classmethod
    def from_base(cls, folder: Path, config: GeneratorConfig) -> "TriplaneGenerator":
        """An untrained generator on the latent diffusion model of a diffusers folder, on the CPU.

        Raises:
            MissingError: a part of it is not there, cannot be read or lacks tensors.
        """
        where = torch.device("cpu"), {"fp32": torch.float32, "bf16": torch.bfloat16}[config.precision]
        return cls(load_unet(folder, *where), load_vae(folder, *where), config)

    @classmethod
    def from_pretrained(
        cls,
        reference: str | Path,
        revision: str | None = None,
        base: str | None = None,
        precision: Literal["fp32", "bf16"] | None = None,
    ) -> "TriplaneGenerator":
        """A trained generator, on the CPU.

        Args:
            reference: a folder as of `save_pretrained`, a checkpoint of a training run, or a Hub id.
            revision: of the Hub's repository.
            base: where its base model is (a folder or a name of the lock file), if not where its configuration says.
            precision: of its base model, if not the one that it was trained with.

        Raises:
            MissingError: it, or its base model, is not there.
            InputError: it is damaged, or the base model is another than it was trained on.
            UnavailableError: the Hub does not answer.
        """
        from prd.published import load_generator, published_folder

        return load_generator(published_folder(reference, revision), base, precision)

    def save_pretrained(self, folder: str | Path, facts: Mapping[str, str] | None = None) -> None:
        """Write what others need to load this generator beside its base model, with a model card.

        Args:
            folder: is made if it is missing.
            facts: for the card, name → value.

        Raises:
            InputError: `config.base` is empty.
        """
        from prd.published import write_generator

        trained = {name: parameter.detach().cpu() for name, parameter in self.trainable()}
        write_generator(Path(folder), trained, self.config, self.base_sample, facts)

    @classmethod
    def untrained(cls, folder: Path, config: GeneratorConfig, seed: int) -> "TriplaneGenerator":
        """The generator that training with `train.seed` starts from: `from_base` with the new layers drawn by it.

        Raises:
            MissingError: as `from_base`.
        """
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(derive_seed(seed, "initial weights"))
            return cls.from_base(folder, config)

    @property
    def base_dtype(self) -> torch.dtype:
        """In which the base model computes."""
        return self.post_quant_conv.weight.dtype  # type: ignore[union-attr, return-value]

    @property
    def latent_shape(self) -> tuple[int, int, int]:
        """Channels, height and width of one plane's latent."""
        return LATENT_CHANNELS, self.config.latent_size, self.config.latent_size

    def predict_noise(
        self,
        latents: Tensor,  # [B*6, 4, h, w]
        timestep: int,
        text: Tensor,  # [B, L, D]
    ) -> Tensor:  # [B*6, 4, h, w]
        """ε̂ of noisy latents; the six planes of a prompt attend to each other and share its text."""
        planes_text = text.to(self.base_dtype).repeat_interleave(PLANES, dim=0)
        predicted = self.unet(latents.to(self.base_dtype), timestep, encoder_hidden_states=planes_text).sample
        return predicted.float()

    def decode(self, latents: Tensor) -> Tensor:  # [B*6, 4, h, w] -> [B, 6, C, H, W]
        """Planes of clean latents."""
        scaled = (latents / self.latent_scale).to(self.base_dtype)
        return self.decoder(self.post_quant_conv(scaled)).float().unflatten(0, (-1, PLANES))  # type: ignore[operator]

    def fields(self, planes: Tensor) -> TriplaneFields:  # [B, 6, C, H, W]
        """The fields that planes describe."""
        return TriplaneFields(planes, self.heads.read(), self.config.sphere_radius)

    def initial_noise(self, prompts: int, generator: torch.Generator) -> Tensor:  # -> [B*6, 4, h, w]
        """z_T, drawn on the CPU and moved to the generator's device."""
        noise = torch.randn(prompts * PLANES, *self.latent_shape, generator=generator)
        return noise.to(self.heads.distance.first.device)

    @torch.no_grad()
    def sample(self, noise: Tensor, text: Tensor) -> TriplaneFields:
        """Fields of new objects by K deterministic (DDIM, η = 0) steps.

        Args:
            noise: z_T as of `initial_noise`, `[B*6, 4, h, w]`.
            text: prompt embeddings `[B, L, D]`.
        """
        return self.fields(self.decode(self.denoise(noise, text)))

    @torch.no_grad()
    def denoise(self, noise: Tensor, text: Tensor) -> Tensor:  # [B*6, 4, h, w] -> [B*6, 4, h, w]
        """The clean latents ẑ_0 of the last step."""
        latents = clean = noise
        for timestep, following in zip(self.timesteps, [*self.timesteps[1:], None], strict=True):
            predicted = self.predict_noise(latents, timestep, text)
            clean = self.schedule.predict_clean(latents, predicted, timestep)
            if following is not None:
                latents = self.schedule.add_noise(clean, predicted, following)
        return clean

    def trainable(self) -> Iterator[tuple[str, nn.Parameter]]:
        """Names and parameters of what training changes: all that a published checkpoint holds."""
        return ((name, parameter) for name, parameter in self.named_parameters() if parameter.requires_grad)

    def parameter_groups(self, learning_rate: float, head_learning_rate: float) -> list[dict]:
        """Optimiser groups: adapters and plane output, then the field heads."""
        heads = {id(parameter) for parameter in self.heads.parameters()}
        rest = [parameter for _, parameter in self.trainable() if id(parameter) not in heads]
        return [
            {"params": rest, "lr": learning_rate},
            {"params": list(self.heads.parameters()), "lr": head_learning_rate},
        ]
