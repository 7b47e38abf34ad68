"""CPU seconds of the grammar, keys, ids and languages, beside trying every rule on every row once.

python -m benchmarks.bench_grammar [--save]                   1.6M rows, four in ten as a platform exports them
python -m benchmarks.bench_grammar --rows 200000 LINES.txt    of your own prompts, one a line
"""

import argparse
import random
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import polars as pl
import torch

from benchmarks import report
from prompts.clean import clean_texts, has_personal_data, normalise_texts, prompt_ids
from prompts.language import guess_languages
from prompts.rules import CHARACTERS, DASHES, FRAME, INSIDE, NAMES, PARAMETERS_OFF, TIDY, WEIGHTS

Result = TypeVar("Result")

SAMPLES = Path(__file__).parents[1] / "prompts" / "samples"
SHARE_PLAIN = 8
"""The plain way is timed on one row of so many."""

TAGS = ["highly detailed", "8 k", "octane render", "soft light", "matte, clay", "by hand"]
TAGS += ["low poly", "photo of a model (scale)", "hd"]
OPTIONS = ["--ar 16:9", "--v 5.2", "--seed 1234567", "--s 750", "—ar 3:2", "–style raw", "--no text, hands", "--niji 5"]
TAILS = ["- <@{}> (fast)", "- Upscaled (Subtle) by <@!{}> (relaxed, stealth)", "- Image #3 <@{}>"]
TAILS += ["- Variations (Strong) by <@{}> (turbo)", "- Upscaled by <@{}> (fast)"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="*", type=Path, default=[SAMPLES / "solids.txt"], help="prompts, one a line")
    parser.add_argument("--rows", type=int, default=1_600_000)
    parser.add_argument("--save", action="store_true", help="write a dated file below benchmarks/results/")
    options = parser.parse_args()
    lines = [line for file in options.files for line in file.read_text(encoding="utf-8").splitlines()]
    texts = _rows(lines, options.rows)
    megabytes = int(texts.str.len_bytes().sum()) / 1e6
    _everything(texts.head(1000))  # compiles
    _, plain = _timed(_plain, texts.gather_every(SHARE_PLAIN))
    cleaned, cleaning = _timed(clean_texts, texts)
    keys, normalising = _timed(normalise_texts, cleaned["text"])
    seconds = {
        "clean_texts": cleaning,
        "normalise_texts": normalising,
        "prompt_ids": _timed(prompt_ids, keys)[1],
        "guess_languages": _timed(guess_languages, keys)[1],
        "has_personal_data": _timed(lambda texts: pl.select(has_personal_data(pl.lit(texts))), cleaned["text"])[1],
        f"every rule, every row, and keys (from 1/{SHARE_PLAIN})": plain * SHARE_PLAIN,
    }
    table = [["work", "CPU s", "MB / CPU s"]]
    table += [[name, f"{took:.2f}", f"{megabytes / took:.0f}"] for name, took in seconds.items()]
    both = cleaning + normalising
    rows = f"{len(texts):,} rows, {megabytes:.0f} MB, four in ten as a platform exports them"
    how = f"polars {pl.__version__} with {pl.thread_pool_size()} threads, CPU seconds of all threads, one run"
    speed, share = megabytes / both, plain * SHARE_PLAIN / both
    sections = [
        f"{rows}; {how}.",
        report.markdown(table),
        f"Clean text and keys: {speed:.0f} MB a CPU second, 1/{share:.1f} of what every rule on every row takes.",
    ]
    report.publish("The grammar", "bench_grammar", torch.device("cpu"), sections, options.save, None)


def _rows(lines: Sequence[str], count: int) -> pl.Series:
    chance = random.Random(7)
    return pl.Series([_row(chance, chance.choice(lines)) for _ in range(count)])


def _row(chance: random.Random, line: str) -> str:
    text = ", ".join([line, *chance.sample(TAGS, chance.randint(0, 6))])
    if chance.random() > 0.4:
        return text
    if chance.random() < 0.15:
        text = f"/imagine prompt: {text}"
    if chance.random() < 0.25:
        text = f"<https://s.mj.run/{chance.getrandbits(30):x}> {text}"
    if chance.random() < 0.1:
        text += "::2"
    text = " ".join([text, *chance.sample(OPTIONS, chance.choice([0, 1, 1, 2, 3]))])
    return f"**{text}** {chance.choice(TAILS).format(chance.randint(10**17, 10**18))}"


def _everything(texts: pl.Series) -> None:
    keys = normalise_texts(clean_texts(texts)["text"])
    prompt_ids(keys)
    guess_languages(keys)


def _plain(texts: pl.Series) -> pl.Series:
    texts = texts.str.normalize("NFKC")
    for rule in (*CHARACTERS, *FRAME, *INSIDE, *DASHES, *NAMES, *PARAMETERS_OFF, *WEIGHTS, *TIDY):
        texts = texts.str.replace_all(rule.pattern, rule.replacement)
    return normalise_texts(texts)


def _timed(work: Callable[[pl.Series], Result], texts: pl.Series) -> tuple[Result, float]:
    started = time.process_time()
    result = work(texts)
    return result, time.process_time() - started


if __name__ == "__main__":
    main()
