"""What is sent when a version is published. The Hub's library does the sending; here it only writes down."""

import pytest

from infra.errors import InputError, MissingError, UnavailableError
from prompts.build import build_corpus
from prompts.config import CorpusConfig
from prompts.publishing import push


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "a.txt").write_text("a red cube\na blue cone\n")
    return build_corpus(CorpusConfig(sources=str(tmp_path / "a.txt")), tmp_path / "corpora")


@pytest.fixture
def calls(monkeypatch):
    """What the library was asked to do."""
    import huggingface_hub

    made: list[tuple[str, dict]] = []

    class Recorder:
        def __getattr__(self, name):
            return lambda *given, **named: made.append((name, {"given": given, **named})) or f"https://hub/{given}"

    monkeypatch.setattr(huggingface_hub, "HfApi", Recorder)
    return made


def test_a_version_is_sent_without_what_only_this_machine_reads(folder, calls):
    push(folder, "somebody/prompts")
    assert [name for name, _ in calls] == ["create_repo", "upload_folder", "create_tag"]
    created, uploaded, tagged = (named for _, named in calls)
    assert created["private"] and created["repo_type"] == uploaded["repo_type"] == tagged["repo_type"] == "dataset"
    assert uploaded["folder_path"] == folder and "*.arrow" in uploaded["ignore_patterns"]
    assert folder.name in uploaded["commit_message"] and tagged["tag"] == folder.name


def test_offline_nothing_is_sent(folder):
    """The suite sets HF_HUB_OFFLINE; the real library refuses."""
    with pytest.raises(UnavailableError, match="somebody/prompts could not be published"):
        push(folder, "somebody/prompts")


def test_only_a_finished_corpus_is_sent(folder, tmp_path, calls):
    with pytest.raises(MissingError):
        push(tmp_path, "somebody/prompts")
    (prepared,) = (tmp_path / "corpora" / ".prepared").glob("*/manifest.json")
    with pytest.raises(InputError, match="no corpus"):
        push(prepared.parent, "somebody/prompts")
    assert not calls
