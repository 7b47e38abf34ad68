"""The command line as its users type it: what it prints, what it refuses, and with which exit code."""

import json
from pathlib import Path

import pytest
import yaml

from infra.errors import PRDError


def test_exit_codes_are_documented():
    page = (Path(__file__).parents[2] / "docs" / "operations.md").read_text(encoding="utf-8")
    for error in PRDError.__subclasses__():
        assert f"\n| {error.exit_code} | " in page, error.__name__


def test_help_names_every_command(prd):
    code, out, _ = prd("--help")
    assert code == 0
    for command in ("run", "train", "evaluate", "generate", "doctor", "corpus", "config", "miniature", "weights"):
        assert command in out


def test_config_show_is_a_recipe(prd, tmp_path):
    code, out, _ = prd("config", "show", "train.iterations=3")
    assert code == 0 and yaml.safe_load(out)["train"]["iterations"] == 3
    (tmp_path / "again.yaml").write_text(out)
    assert prd("config", "show", "--recipe", "again.yaml")[1] == out


def test_doctor(prd):
    code, _, err = prd("doctor")
    assert code == 0 and "rasteriser" in err and "ready" in err


def test_corpus_of_files(prd, tmp_path):
    """Several formats at once, with rows that cannot be used."""
    (tmp_path / "a.txt").write_text("a red cube\n\na blue sphere\nA red  cube.\n")
    (tmp_path / "b.jsonl").write_text('{"prompt": "a green cone"}\n{broken\n{"prompt": 3}\n')
    (tmp_path / "c.csv").write_text("id,caption\n1,a pink torus\n2\n")
    code, out, err = prd("corpus", "build", "corpus.sources=a.txt,b.jsonl,c.csv", "corpus.evaluation_prompts=[]")
    assert code == 0, err
    folder = Path(out.splitlines()[-1])
    stats = json.loads((folder / "stats.json").read_text())
    assert stats["prompts"] == 4 and stats["merged"] == {"exact": 1}
    assert stats["refused"] == {"malformed": 1, "columns": 1, "not_text": 1}
    assert (folder / "rejects.parquet").is_file() and (folder / "README.md").is_file()


def test_a_source_that_is_down_may_be_left_out(prd, tmp_path):
    (tmp_path / "a.txt").write_text("a red cube\n")
    arguments = ("corpus", "build", "corpus.sources=a.txt,absent.txt", "corpus.evaluation_prompts=[]")
    assert prd(*arguments)[0] == 3
    code, out, err = prd(*arguments, "--keep-going")
    assert code == 0 and "left out: absent: there is no file absent.txt" in out, err
    assert "absent is left out" in err and "`absent`" in (Path(out.splitlines()[-1]) / "README.md").read_text()


def test_a_source_that_holds_nothing_is_warned_of_last(prd, tmp_path):
    (tmp_path / "a.txt").write_text("a red cube\n")
    (tmp_path / "b.jsonl").write_text("")
    (tmp_path / "c.csv").write_text("text,b\n")
    code, out, err = prd("corpus", "build", "corpus.sources=a.txt,b.jsonl,c.csv", "corpus.evaluation_prompts=[]")
    assert code == 0 and "empty: b: no rows in b.jsonl\nempty: c: no rows in c.csv\n" in out, err
    assert err.endswith(
        "warning: the source b holds no rows: b.jsonl is empty\nwarning: the source c holds no rows: c.csv is empty\n"
    )


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("config", "show", "train.iteratons=3"), 2, "did you mean 'iterations'"),
        (("config", "show", "--recipe", "miniatur"), 2, "did you mean miniature"),
        (("corpus", "build", "corpus.sources=absent.txt"), 3, "absent.txt"),
        (("corpus", "build", "corpus.sources=empty.txt"), 3, "empty"),
        (("corpus", "build", "corpus.sources=broken.parquet"), 3, "broken.parquet"),
        (("corpus", "build", "corpus.sources=[{path: wide.csv, field: prompt}]"), 3, "prompt"),
        (("corpus", "build", "corpus.sources=semicolons.csv"), 3, "split by ';'"),
        (("corpus", "build", "corpus.sources=number.json"), 3, "neither a list nor an object"),
        (("generate", "a red cube", "--checkpoint", "absent"), 4, "absent"),
        (("evaluate", "--checkpoint", "absent"), 4, "absent"),
        (("generate", "a red cube"), 4, "no run has been trained"),
        (("weights", "import", "absent.pth"), 4, "absent.pth"),
    ],
)
def test_bad_input_is_a_message_with_an_exit_code(prd, tmp_path, arguments, code, says):
    (tmp_path / "empty.txt").write_text("")
    (tmp_path / "broken.parquet").write_bytes(b"PAR1 truncated")
    (tmp_path / "wide.csv").write_text("a,b\n1,2\n")
    (tmp_path / "semicolons.csv").write_text("id;caption\n1;a red cube\n")
    (tmp_path / "number.json").write_text("5")
    status, out, err = prd(*arguments)
    assert (status, says in out + err) == (code, True), err


@pytest.mark.parametrize(
    ("environment", "says"),
    [
        ({"PREFECT_API_URL": "http://127.0.0.1:9/api"}, "no Prefect server answers"),
    ],
)
def test_services_that_do_not_answer_are_named(prd, environment, says):
    status, _, err = prd("run", **environment)
    assert status == 5 and says in err, err


def test_a_schedule_wants_times_and_a_server_that_stays(prd):
    absent = {"PREFECT_API_URL": "http://127.0.0.1:9/api"}
    for options, environment, code, says in (
        ((), {"PREFECT_API_URL": ""}, 5, "prefect server start"),
        (("--cron", "at night"), absent, 2, "at night"),
        (("--timezone", "Nowhere/Town"), absent, 2, "Nowhere/Town"),
        ((), absent, 5, "no Prefect server answers"),
    ):
        status, _, err = prd("corpus", "schedule", *options, **environment)
        assert (status, says in err) == (code, True), err


@pytest.mark.parametrize("command", ["run", "train"])
def test_a_ray_cluster_that_does_not_answer_is_named_before_any_work(prd, home, command):
    status, _, err = prd(command, PRD_RAY_ADDRESS="127.0.0.1:9")
    assert status == 5 and "no Ray cluster answers" in err, err
    assert not home.exists()


def test_a_home_that_cannot_be_is_named(prd, tmp_path):
    (tmp_path / "file").write_text("")
    status, _, err = prd("corpus", "build", PRD_HOME=str(tmp_path / "file"))
    assert status == 4 and "PRD_HOME" in err, err
