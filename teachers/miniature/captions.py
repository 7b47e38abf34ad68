"""How people would ask for a scene: plainly, or among the words that real prompts are full of."""

from teachers.miniature.scene import Scene

STYLES = (
    *("3d render", "studio lighting", "highly detailed", "octane render", "minimalist", "low poly", "matte plastic"),
    *("isometric", "clean white background", "soft shadows", "8k", "toy photography", "clay", "product shot"),
)
"""Style tails, which say nothing about what is seen."""

PLACES = ("in a studio", "on a white background", "from the front", "as a toy")
"""Ends of a caption, likewise."""

_PLAIN = 0.6


def caption(scene: Scene, *draws: float) -> str:
    """A sentence for a scene.

    Args:
        scene: what it is about.
        draws: three numbers in [0, 1) that decide how it is put.
    """
    manner, first, second = draws
    text, style = str(scene), STYLES[int(first * len(STYLES))]
    if manner < _PLAIN:
        return text
    choices = (
        f"{text}, {style}",
        f"{text}, {style}, {STYLES[int(second * len(STYLES))]}",
        f"{style} of {text}",
        f"{text} {PLACES[int(second * len(PLACES))]}",
    )
    return choices[int((manner - _PLAIN) / (1 - _PLAIN) * len(choices))]
