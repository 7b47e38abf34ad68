"""Errors that a user can act on. Each carries a way out and a documented exit code (docs/operations.md)."""


class PRDError(Exception):
    """Base of every error that the command line prints as a message instead of a traceback.

    Args:
        message: what is wrong, naming the file and the field.
        hint: the way out, as one sentence or a command.
    """

    exit_code = 1

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\n  → {self.hint}" if self.hint else self.message

    def __reduce__(self):
        return type(self), (self.message, self.hint)


class RecipeError(PRDError):
    """A recipe or an override that does not parse or validate."""

    exit_code = 2


class InputError(PRDError):
    """Input data that cannot be used: unreadable file, missing column, empty corpus."""

    exit_code = 3


class MissingError(PRDError):
    """Something that should be on disk is not: a checkpoint, a manifest, weights."""

    exit_code = 4


class UnavailableError(PRDError):
    """A service does not answer: Ray, Prefect, MLflow or the Hub."""

    exit_code = 5


class BusyError(PRDError):
    """Another run holds the folder."""

    exit_code = 6


class TrainingError(PRDError):
    """Training stopped; it can be resumed from its last checkpoint."""

    exit_code = 7


class PartialError(PRDError):
    """Some of what was asked for could not be made; the rest is there."""

    exit_code = 9


class RunCancelled(PRDError):  # noqa: N818 - it is news, not an error of anyone's
    """Someone cancelled the run; it can be resumed from its last checkpoint."""

    exit_code = 8
