"""A version of a corpus as a data set of the Hub."""

from pathlib import Path

from infra.artifacts import read_manifest
from infra.errors import InputError, UnavailableError

_OWN = ["*.arrow", "*.lock"]
"""What only a training on this machine reads."""


def push(folder: Path, name: str) -> str:
    """Upload a finished version and tag the commit with its name.

    Args:
        folder: of a version.
        name: `owner/name` of the data set; it is made, private, if there is none.

    Returns:
        The address of the data set.

    Raises:
        InputError: `folder` is no corpus.
        UnavailableError: the Hub does not answer, or refuses.
    """
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled

    manifest = read_manifest(folder)
    if manifest.kind != "corpus":
        raise InputError(f"{folder} is a {manifest.kind}, no corpus", "give a version's folder")
    version = manifest.facts["version"]
    api = HfApi()
    try:
        url = api.create_repo(name, repo_type="dataset", private=True, exist_ok=True)
        api.upload_folder(
            folder_path=folder,
            repo_id=name,
            repo_type="dataset",
            commit_message=f"version {version}: {manifest.facts['prompts']} prompts",
            ignore_patterns=_OWN,
            delete_patterns=["data/*"],
        )
        api.create_tag(name, tag=version, repo_type="dataset", exist_ok=True)
    except (HfHubHTTPError, OfflineModeIsEnabled, OSError) as error:
        reason = str(error).splitlines()[0]
        raise UnavailableError(
            f"{name} could not be published: {reason}",
            "check the name, HF_TOKEN with the right to write, HF_HUB_OFFLINE",
        ) from None
    return str(url)
