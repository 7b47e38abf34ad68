"""The `near:` part of a recipe's corpus."""

from pydantic import Field

from infra.config import Config


class NearConfig(Config):
    """How far two prompts may differ and still be one."""

    detail_ratio: float = Field(default=2.0, ge=1.0)
    """A detail that is no style may be missing where the rest has at least so many times its words."""
    tags_for_two: int = Field(default=6, ge=2)
    """Tags of style in a prompt from which on two of them may be missing, not only one."""
