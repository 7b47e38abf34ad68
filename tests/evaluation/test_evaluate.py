"""From meshes to the report: everything is counted, nothing hostile gets through, and it reads back."""

import re
from html.parser import HTMLParser
from pathlib import Path

import polars
import pytest
import torch
import trimesh
from PIL import Image

from evaluation.config import EvaluationConfig, GateConfig
from evaluation.evaluate import evaluate
from evaluation.gallery import GeneratedMesh
from evaluation.protocol import protocol_for
from evaluation.report import EvaluationReport
from infra.errors import InputError, MissingError
from prd.mesh import Mesh

HOSTILE = (
    "<script>alert(1)</script><img src=x onerror=alert(2)> \"'&{{ 7 * 7 }} "
    "../../etc/passwd https://evil.example/x \ud800"
)
PROMPTS = ["a red box", HOSTILE, "a green ball", "a lost thing"]
EMPTY = Mesh(torch.zeros(0, 3), torch.zeros(0, 3, dtype=torch.long), torch.zeros(0, 3))


@pytest.fixture
def generated(make_box) -> list[GeneratedMesh]:
    """Two meshes, an empty one, and for the last prompt nothing at all."""
    return [
        GeneratedMesh(PROMPTS[0], make_box(), seconds=1.5, seed=42),
        GeneratedMesh(HOSTILE, make_box(front=(0, 1, 1), sides=(1, 0.5, 0.5)), seed=42),
        GeneratedMesh(PROMPTS[2], EMPTY, seed=42),
    ]


@pytest.fixture
def report(generated, config: EvaluationConfig, tmp_path: Path, write_glb) -> EvaluationReport:
    context = {"checkpoint": "step-000500", "corpus_version": "<b>v1</b>"}
    return evaluate(generated, PROMPTS, config, tmp_path, context, write_mesh=write_glb, device="cpu")


def test_meshes_that_failed_or_never_came_count_as_zero(report: EvaluationReport) -> None:
    assert report.counts.model_dump() == {
        "prompts": 4,
        "meshes": 4,
        "failed": 2,
        "images": 8,
        "images_rendered": 4,
    }
    assert [mesh.failure for mesh in report.meshes] == [
        None,
        None,
        "the mesh is empty",
        "no mesh came for this prompt",
    ]
    scores = [mesh.clip_score for mesh in report.meshes]
    assert scores[0] > 0 and scores[1] > 0 and scores[2:] == [0, 0]
    assert report.scores.clip_score.x100 == pytest.approx(sum(scores) / 4, abs=1e-3)
    assert report.scores.clip_score.raw == pytest.approx(sum(scores) / 400, abs=1e-5)
    hits = sum(view.rank == 1 for mesh in report.meshes for view in mesh.views)
    assert report.scores.r_at_1.x100 == pytest.approx(100 * hits / 8)
    assert all(view.rank is None and view.picture is None for mesh in report.meshes[2:] for view in mesh.views)


def test_a_whole_failure_scores_zero(config: EvaluationConfig, tmp_path: Path) -> None:
    report = evaluate([GeneratedMesh("a", None, reason="out of memory")], ["a", "b"], config, tmp_path, {})
    assert report.scores.clip_score.x100 == report.scores.r_at_1.x100 == report.scores.r_at_1_pooled.x100 == 0
    assert report.meshes[0].failure == "out of memory"
    assert not report.verdict.passed
    assert (tmp_path / "report.html").is_file()


def test_a_mesh_is_owed_for_every_seed_and_equal_prompts_are_one(
    config: EvaluationConfig, make_box, write_glb, tmp_path: Path
) -> None:
    config = config.model_copy(update={"seeds": (1, 2)})
    made = [GeneratedMesh("a box", make_box(), seed=1), GeneratedMesh("a ball", make_box(), seed=1)]
    report = evaluate(made, ["a box", "a ball", "a box"], config, tmp_path, {}, write_mesh=write_glb)
    assert (report.counts.prompts, report.counts.meshes, report.counts.failed) == (2, 4, 2)


def test_every_picture_and_mesh_opens_and_is_named_by_number(report: EvaluationReport, tmp_path: Path) -> None:
    for mesh in report.meshes[:2]:
        for name in [view.picture for view in mesh.views] + [mesh.shape]:
            with Image.open(tmp_path / name) as picture:
                assert picture.size == (64, 64)
        assert len(trimesh.load(tmp_path / mesh.mesh, force="mesh").faces) == mesh.faces == 12
    files = [path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.parent != tmp_path]
    assert all(re.fullmatch(r"(views/\d{5}-(\d|shape)\.png|meshes/\d{5}\.glb)", name) for name in files if "." in name)


def test_the_report_reads_back_as_it_was(report: EvaluationReport, tmp_path: Path) -> None:
    assert EvaluationReport.load(tmp_path) == report
    rows = polars.read_parquet(tmp_path / "rows.parquet")
    assert rows.height == 8
    assert rows["clip_score"].mean() == pytest.approx(report.scores.clip_score.x100, abs=1e-3)
    assert rows["protocol"].unique().to_list() == [report.protocol.id]
    assert rows.filter(polars.col("failure").is_not_null())["rank"].null_count() == 4


def test_a_second_evaluation_finds_the_same(report, generated, config, tmp_path: Path, write_glb) -> None:
    again = tmp_path / "again"
    again.mkdir()
    other = evaluate(generated, PROMPTS, config, again, report.context, write_mesh=write_glb, device="cpu")
    assert other.identity == report.identity


@pytest.mark.parametrize("content", ["{", "{}", '{"schema_version": 99}'])
def test_a_damaged_report_is_named(content: str, tmp_path: Path) -> None:
    (tmp_path / "report.json").write_text(content)
    with pytest.raises(InputError, match=r"report\.json is not an evaluation report"):
        EvaluationReport.load(tmp_path)


def test_a_report_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(MissingError, match="no evaluation report"):
        EvaluationReport.load(tmp_path)


class _Page(HTMLParser):
    """Collects tags with their attributes, and the text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


def test_the_page_is_self_contained_and_escapes_prompts(report: EvaluationReport, tmp_path: Path) -> None:
    page = _Page((tmp_path / "report.html").read_text(encoding="utf-8"))
    names = [name for name, _ in page.tags]
    assert "script" not in names and "link" not in names and "iframe" not in names
    assert names.count("img") == 6, "four views and two bare shapes, nothing of the prompt's"
    for name, attributes in page.tags:
        assert not any(key.startswith("on") for key in attributes)
        if name == "img":
            assert attributes["src"].startswith("data:image/webp;base64,")
        assert re.fullmatch(r"(views|meshes)/[\w-]+\.(png|glb)", attributes.get("href") or "views/0.png")
    assert not [value for _, attributes in page.tags for value in attributes.values() if value and "http" in value]
    assert report.meshes[1].prompt in page.text
    assert "<b>v1</b>" in page.text


def test_the_page_shows_the_numbers_with_their_protocol(report: EvaluationReport, tmp_path: Path) -> None:
    page = _Page((tmp_path / "report.html").read_text(encoding="utf-8"))
    assert f"{report.scores.clip_score.x100:.1f}" in page.text
    assert page.text.count(report.protocol.id) >= 4
    assert "Gate passed" in page.text
    assert "no mesh came for this prompt" in page.text
    order = [attributes["id"] for name, attributes in page.tags if name == "li" and "id" in attributes]
    assert set(order[:2]) == {"mesh-2", "mesh-3"}, "failures first"


def test_nothing_to_evaluate_is_said_so(config: EvaluationConfig, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no prompts"):
        evaluate([], [], config, tmp_path, {})


def test_a_mesh_nobody_asked_for_is_an_error(config: EvaluationConfig, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="not asked for"):
        evaluate([GeneratedMesh("other", None)], ["a box"], config, tmp_path, {})


def test_the_protocol_changes_with_what_makes_scores_differ(config: EvaluationConfig) -> None:
    base = protocol_for(config, PROMPTS[:1]).id
    assert re.fullmatch("[0-9a-f]{12}", base)
    views = config.views.model_copy(update={"elevation_deg": 0.0})
    clip = config.clip.model_copy(update={"text_prefix": ""})
    others = [
        protocol_for(config, PROMPTS[2:]).id,
        protocol_for(config.model_copy(update={"views": views}), PROMPTS[:1]).id,
        protocol_for(config.model_copy(update={"clip": clip}), PROMPTS[:1]).id,
    ]
    assert len({base, *others}) == 4


def test_the_protocol_ignores_what_does_not(config: EvaluationConfig) -> None:
    base = protocol_for(config, ["a", "b"]).id
    clip = config.clip.model_copy(update={"batch_size": 1})
    same = config.model_copy(update={"clip": clip, "gate": GateConfig(min_clip_score=1), "save_meshes": False})
    assert protocol_for(same, ["a", "b", "a"]).id == base
