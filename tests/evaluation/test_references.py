"""What the meshes are compared with is judged as they are, kept beside them, and shown."""

import json
from pathlib import Path

import pytest
import torch
from PIL import Image

from evaluation.clip import encodable
from evaluation.config import EvaluationConfig
from evaluation.evaluate import evaluate
from evaluation.gallery import GeneratedMesh
from evaluation.references import Reference, reference_of_meshes
from evaluation.report import BEFORE_TRAINING, EvaluationReport
from infra.errors import InputError

PROMPTS = ["a red box", "<i>a</i> long box \ud800", "a thing"]


@pytest.fixture
def generated(make_box) -> list[GeneratedMesh]:
    return [GeneratedMesh(PROMPTS[0], make_box()), GeneratedMesh(PROMPTS[1], make_box(sides=(1, 0.3, 1)))]


@pytest.fixture
def report(generated, config: EvaluationConfig, tmp_path: Path, write_glb) -> EvaluationReport:
    """The same meshes once more as those before training, and a teacher that drew one prompt only, once."""
    before = reference_of_meshes(BEFORE_TRAINING, generated, config, "cpu")
    teacher = Reference("../a teacher", {PROMPTS[2]: torch.full((1, 16, 16, 3), 200, dtype=torch.uint8)})
    return evaluate(
        generated, PROMPTS, config, tmp_path, {}, references=[before, teacher], write_mesh=write_glb, device="cpu"
    )


def test_the_same_pictures_have_the_same_scores(report: EvaluationReport) -> None:
    before = report.references[0]
    assert before.name == BEFORE_TRAINING
    assert before.scores == report.scores
    assert [(one.prompt, one.clip_score, one.rank) for one in before.prompts] == [
        (mesh.prompt, mesh.clip_score, mesh.rank) for mesh in report.meshes
    ]


def test_a_prompt_without_pictures_counts_as_failed(report: EvaluationReport) -> None:
    teacher = report.references[1]
    assert [one.pictures == () and one.rank is None and one.clip_score == 0 for one in teacher.prompts] == [1, 1, 0]
    assert teacher.scores.clip_score.x100 == pytest.approx(teacher.prompts[2].clip_score / 3, abs=1e-3)
    assert teacher.scores.r_at_1.x100 in (0, pytest.approx(100 / 3, abs=1e-3))


def test_pictures_are_kept_below_the_report(report: EvaluationReport, tmp_path: Path) -> None:
    before, teacher = report.references
    assert [len(one.pictures) for one in before.prompts] == [2, 2, 0]
    for one, mesh in zip(before.prompts[:2], report.meshes, strict=False):
        for picture, view in zip(one.pictures, mesh.views, strict=True):
            assert (tmp_path / picture).read_bytes() == (tmp_path / view.picture).read_bytes()
    assert teacher.prompts[2].pictures == ("references/-a-teacher/00002-0.png",)
    with Image.open(tmp_path / teacher.prompts[2].pictures[0]) as picture:
        assert picture.getpixel((0, 0)) == (200, 200, 200)


def test_the_page_compares(report: EvaluationReport, tmp_path: Path) -> None:
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    names = [page.index(f"<bdi>{name}</bdi></th>") for name in (BEFORE_TRAINING, "this checkpoint", "../a teacher")]
    assert names == sorted(names)
    assert page.count('src="data:image/webp;base64,') == 6 + 5
    assert all(f'href="{picture}"' in page for one in report.references[0].prompts for picture in one.pictures)


def test_a_report_without_references_reads_back_and_keeps_its_identity(
    generated, config: EvaluationConfig, tmp_path: Path, write_glb
) -> None:
    report = evaluate(generated, PROMPTS, config, tmp_path, {}, write_mesh=write_glb, device="cpu")
    content = json.loads((tmp_path / "report.json").read_text())
    del content["references"]
    (tmp_path / "report.json").write_text(json.dumps(content))
    old = EvaluationReport.load(tmp_path)
    assert old == report and old.identity == report.identity
    assert 'class="comparison"' not in (tmp_path / "report.html").read_text()


def test_unusable_meshes_are_left_out(make_box, config: EvaluationConfig) -> None:
    broken = make_box(sides=(float("nan"), 1, 1))
    made = [GeneratedMesh("a", make_box()), GeneratedMesh("b", broken), GeneratedMesh("c", None)]
    assert list(reference_of_meshes("x", made, config, "cpu").pictures) == ["a"]


@pytest.mark.parametrize(
    ("names", "prompt", "complaint"),
    [(["x"], "a stranger", "not asked for: 'a stranger'"), (["a b", "a/b"], PROMPTS[0], "kept in 'a-b'")],
)
def test_references_that_cannot_be_kept(names, prompt, complaint, config: EvaluationConfig, tmp_path: Path) -> None:
    picture = torch.zeros(1, 8, 8, 3, dtype=torch.uint8)
    references = [Reference(name, {prompt: picture}) for name in names]
    with pytest.raises(InputError, match=complaint):
        evaluate([], PROMPTS, config, tmp_path, {}, references=references)


def test_prompts_are_made_fit_for_files() -> None:
    assert encodable(PROMPTS[1]).endswith("box ?")
