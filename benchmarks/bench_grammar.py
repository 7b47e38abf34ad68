"""CPU seconds of the grammar, keys, ids and languages, beside trying every rule on every row once.

python -m benchmarks.bench_grammar                            1.6M rows, four in ten as a platform exports them
python -m benchmarks.bench_grammar --rows 200000 LINES.txt    of your own prompts, one a line
"""

import argparse
import random
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import polars as pl

from prompts.clean import clean_texts, has_personal_data, normalise_texts, prompt_ids
from prompts.language import guess_languages
from prompts.rules import CHARACTERS, DASHES, FRAME, INSIDE, PARAMETERS_OFF, TIDY, WEIGHTS

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
    options = parser.parse_args()
    lines = [line for file in options.files for line in file.read_text(encoding="utf-8").splitlines()]
    texts = _rows(lines, options.rows)
    megabytes = texts.str.len_bytes().sum() / 1e6
    print(f"{len(texts)} rows, {megabytes:.0f} MB, polars {pl.__version__} with {pl.thread_pool_size()} threads")
    _everything(texts.head(1000))  # compiles
    plain = SHARE_PLAIN * _timed("every rule, every row", _plain, texts.gather_every(SHARE_PLAIN), SHARE_PLAIN)[1]
    cleaned, seconds = _timed("clean_texts", clean_texts, texts)
    keys, more = _timed("normalise_texts", normalise_texts, cleaned["text"])
    _timed("prompt_ids", prompt_ids, keys)
    _timed("guess_languages", guess_languages, keys)
    _timed("has_personal_data", lambda texts: pl.select(has_personal_data(pl.lit(texts))), cleaned["text"])
    ratio = plain / (seconds + more)
    print(f"clean text and keys: {megabytes / (seconds + more):.0f} MB a CPU second, 1/{ratio:.1f} of the plain way")


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
    for rule in (*CHARACTERS, *FRAME, *INSIDE, *DASHES, *PARAMETERS_OFF, *WEIGHTS, *TIDY):
        texts = texts.str.replace_all(rule.pattern, rule.replacement)
    return normalise_texts(texts)


def _timed(name: str, work: Callable[[pl.Series], Result], texts: pl.Series, share: int = 1) -> tuple[Result, float]:
    started = time.process_time()
    result = work(texts)
    seconds = time.process_time() - started
    print(f"{name:22} {seconds * share:7.2f} CPU seconds{f', from 1/{share}' if share > 1 else ''}")
    return result, seconds


if __name__ == "__main__":
    main()
