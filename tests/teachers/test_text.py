"""Prompts to embeddings."""

import pytest
import torch

from infra.errors import MissingError
from teachers.miniature.tokenizer import LENGTH, WORDS, merges_for
from teachers.text import TextEncoder

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def encoder(miniature):
    return TextEncoder.from_folder(miniature / "stable-diffusion", CPU, cache_size=2)


def test_shape_and_dependence_on_the_words(encoder):
    embeddings = encoder.encode(["a red cube", "a blue cube", ""])
    assert embeddings.shape == (3, encoder.length, encoder.width)
    assert not embeddings.requires_grad
    assert (embeddings[0] - embeddings[1]).abs().max() > 0.1


def test_an_embedding_does_not_depend_on_its_company(encoder, miniature):
    together = encoder.encode(["a red cube", "a yellow torus with a hat", "x"])
    fresh = TextEncoder.from_folder(miniature / "stable-diffusion", CPU, cache_size=1)
    assert torch.equal(fresh.encode(["a yellow torus with a hat"])[0], together[1])
    # Asked again after it was dropped from the cache.
    assert torch.equal(encoder.encode(["a red cube"])[0], together[0])


@pytest.mark.parametrize(("model", "padding"), [("stable-diffusion", "!"), ("richdreamer", "<|endoftext|>")])
def test_padding_is_the_folders_own(miniature, model, padding):
    encoder = TextEncoder.from_folder(miniature / model, CPU)
    ids = encoder.tokens("a red cube")[0].tolist()
    names = encoder._tokenizer.convert_ids_to_tokens(ids)
    assert names[:5] == ["<|startoftext|>", "a</w>", "red</w>", "cube</w>", "<|endoftext|>"]
    assert set(names[5:]) == {padding}
    assert len(names) == LENGTH


def test_cut_keeps_the_end_token(encoder):
    ids = encoder.tokens("a red cube on a blue cylinder " * 20)[0]
    assert ids.shape == (LENGTH,)
    assert ids[-1] == encoder._tokenizer.eos_token_id


def test_every_word_of_the_miniature_world_is_one_token(encoder):
    for word in WORDS:
        assert encoder._tokenizer.tokenize(word) == [f"{word}</w>"]


def test_any_other_text_comes_apart_without_unknown_tokens(encoder):
    tokenizer = encoder._tokenizer
    text = "zeppelin über 東京 🦊 <b>&amp;"
    ids = tokenizer(text, add_special_tokens=False).input_ids
    assert tokenizer.unk_token_id not in ids
    assert tokenizer.decode(ids).replace(" ", "") == text.replace(" ", "")


def test_later_words_leave_earlier_ones_whole():
    # "re" of "red" would break "green" if merges were shared without care.
    assert merges_for(["red", "green"])[:2] == [("r", "e"), ("re", "d</w>")]


def test_folder_without_text_encoder(tmp_path):
    with pytest.raises(MissingError, match="no folder tokenizer/"):
        TextEncoder.from_folder(tmp_path, CPU)
