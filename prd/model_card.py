"""The model card of a published generator."""

from collections.abc import Mapping

import yaml

from infra.weights import locked_weights
from prd.config import GeneratorConfig

_ADAPTATIONS = {
    "peta": "low-rank adapters, in self-attention one for each plane (PETA)",
    "lora": "low-rank adapters, the same for all planes",
    "full": "all weights of the base model",
}


def model_card(config: GeneratorConfig, parameters: int, facts: Mapping[str, str]) -> str:
    """`README.md` of a generator's folder.

    Args:
        config: the architecture.
        parameters: trained numbers in `adapter.safetensors`.
        facts: about its making, name → value.
    """
    base = locked_weights().get(config.base, {})
    mirrors = base.get("hub", [])
    front = {
        **({"base_model": mirrors[0]["repository"]} if mirrors else {}),
        "pipeline_tag": "text-to-3d",
        "license": "other",
        "license_name": base.get("licence", "see the base model's"),
        "tags": ["text-to-3d", "triplane", "progressive-rendering-distillation"],
    }
    rows = [
        ("base model", f"`{config.base}`" + (f": {base['what']}" if "what" in base else "")),
        ("trained", f"{parameters:,} parameters: {_ADAPTATIONS[config.adaptation]}"),
        ("rank", "–" if config.adaptation == "full" else str(config.rank)),
        ("denoising steps", str(config.steps)),
        ("planes", f"6 of {config.plane_channels} channels, from latents of {config.latent_size}²"),
        *((name, f"`{value}`") for name, value in facts.items()),
    ]
    return "\n".join(
        [
            "---",
            yaml.safe_dump(front, sort_keys=False, allow_unicode=True).strip(),
            "---",
            "",
            "# A text-to-mesh generator",
            "",
            f"Turns a prompt into a textured mesh in {config.steps} steps. Distilled from image and multi-view",
            "diffusion models by Progressive Rendering Distillation (arXiv 2503.21694), without any 3D data.",
            "",
            "| | |",
            "| --- | --- |",
            *(f"| {name} | {value} |" for name, value in rows),
            "",
            "## Use",
            "",
            '    prd generate "a red cube" --checkpoint THIS_FOLDER --out cube.glb',
            "",
            "or, in Python,",
            "",
            "    from prd.inference import TextToMesh",
            "",
            '    for made in TextToMesh.from_checkpoint("THIS_FOLDER").generate(["a red cube"]):',
            "        print(made.mesh)",
            "",
            f"The base model `{config.base}` is needed beside it. `adapter.safetensors` holds the trained tensors,",
            "`generator.json` the architecture; other files, where there are any, only serve to go on training.",
            "",
            "## Limits",
            "",
            "What it can make is what its teachers and its prompts knew. Prompts outside of that, text, and scenes of",
            "many objects come out poorly. The base model's licence and its restrictions of use go with it.",
            "",
        ]
    )
