"""Pictures of a corpus."""

import re

from prompts.build import build_corpus
from prompts.config import CorpusConfig


def test_the_chart_shows_what_each_step_took(tmp_path):
    (tmp_path / "a.txt").write_text(
        "\n".join([*(f"a red cube number {n} of wood" for n in range(400)), "!", "?", "+", "-"])
    )
    folder = build_corpus(CorpusConfig(sources=str(tmp_path / "a.txt")), tmp_path / "corpora")
    chart = (folder / "funnel.svg").read_text(encoding="utf-8")
    assert "From 404 rows to 400 prompts" in chart and "4 (1.0%)" in chart
    widths = [float(width) for width in re.findall(r'width="([\d.]+)" height="16"', chart)]
    read, prompts, lost = widths
    assert read == lost > prompts > 0.9 * read, "a loss of one in a hundred is to be seen"
