"""Original checkpoints become diffusers folders: every tensor accounted for, whatever is wrong with a file named."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import open_clip
import pytest
import torch
from diffusers import UNet2DConditionModel
from specimens import request_for
from torch import Tensor
from transformers import CLIPTextModel

from infra.artifacts import read_manifest
from infra.errors import InputError, MissingError
from teachers.attention import install_multiview_attention
from teachers.convert import convert_open_clip_text_encoder, convert_unet, convert_vae
from teachers.convert.original import Told, convert_file, read_tensors
from teachers.convert.tokenizer import clip_tokenizer
from teachers.folder import load_alphas_cumprod, load_text_encoder, load_tokenizer, load_unet, load_vae
from teachers.registry import load_teacher

CPU = torch.device("cpu")
TOLD = {
    "mvdream": Told({"attention_head_dim": [2, 4, 8, 8], "norm_num_groups": 4}, {"norm_num_groups": 4}, text_heads=2),
    "richdreamer": Told({"attention_head_dim": 2, "norm_num_groups": 4}, text_heads=2),
}
UNETS = {"mvdream": "mvdream_unet_tiny", "richdreamer": "nd_mv_unet_tiny"}


@pytest.fixture
def unets(golden) -> dict[str, Any]:
    return {kind: golden(f"teachers/{name}") for kind, name in UNETS.items()}


# ---- networks of published size, without their values


def original_unet(kind: str) -> dict[str, Tensor]:
    """Names and shapes as published, from the other end of the key map: diffusers' model, on the meta device."""
    camera = {"class_embed_type": "projection", "projection_class_embeddings_input_dim": 16}
    family = {
        "mvdream": {"cross_attention_dim": 1024, "attention_head_dim": (5, 10, 20, 20), "use_linear_projection": True},
        "richdreamer": {"cross_attention_dim": 768, "attention_head_dim": 8},
    }
    with torch.device("meta"):
        model = UNet2DConditionModel(sample_size=32, **camera, **family[kind])
    return {f"model.diffusion_model.{original_name(name)}": tensor for name, tensor in model.state_dict().items()}


def original_name(name: str) -> str:
    """Written from the table of names, apart from the code under test."""
    for ours, theirs in (
        ("time_embedding.linear_1", "time_embed.0"),
        ("time_embedding.linear_2", "time_embed.2"),
        ("class_embedding.linear_1", "camera_embed.0"),
        ("class_embedding.linear_2", "camera_embed.2"),
        ("conv_in", "input_blocks.0.0"),
        ("conv_norm_out", "out.0"),
        ("conv_out", "out.2"),
    ):
        if name.startswith(f"{ours}."):
            return theirs + name.removeprefix(ours)
    for ours, theirs in (
        ("norm1.", "in_layers.0."),
        ("conv1.", "in_layers.2."),
        ("time_emb_proj.", "emb_layers.1."),
        ("norm2.", "out_layers.0."),
        ("conv2.", "out_layers.3."),
        ("conv_shortcut.", "skip_connection."),
    ):
        if ".resnets." in name:
            name = name.replace(ours, theirs)
    block, *rest = name.split(".")
    if block == "mid_block":
        place = {("resnets", "0"): 0, ("attentions", "0"): 1, ("resnets", "1"): 2}[rest[0], rest[1]]
        return ".".join(["middle_block", str(place), *rest[2:]])
    level, part, number, *rest = rest
    if block == "down_blocks":
        if part == "downsamplers":
            return ".".join([f"input_blocks.{3 * int(level) + 3}.0.op", *rest[1:]])
        return ".".join([f"input_blocks.{3 * int(level) + int(number) + 1}", str(int(part == "attentions")), *rest])
    if part == "upsamplers":
        return ".".join([f"output_blocks.{3 * int(level) + 2}.{1 if level == '0' else 2}.conv", *rest[1:]])
    return ".".join([f"output_blocks.{3 * int(level) + int(number)}", str(int(part == "attentions")), *rest])


@pytest.mark.parametrize(("kind", "parameters"), [("mvdream", 867_572_164), ("richdreamer", 861_182_404)])
def test_published_size(kind, parameters):
    original = original_unet(kind)
    config, converted = convert_unet(original, kind)
    assert len(converted) == len(original) == 690
    assert sum(tensor.numel() for tensor in converted.values()) == parameters
    assert config["block_out_channels"] == [320, 640, 1280, 1280] and config["layers_per_block"] == 2
    assert config["attention_head_dim"] == ([5, 10, 20, 20] if kind == "mvdream" else 8)
    assert config["norm_num_groups"] == 32
    with torch.device("meta"):
        model = UNet2DConditionModel.from_config(config)
    assert {name: tensor.shape for name, tensor in model.state_dict().items()} == {
        name: tensor.shape for name, tensor in converted.items()
    }


# ---- what shapes cannot tell


@pytest.mark.parametrize("kind", UNETS)
def test_the_originals_own_description_will_do(unets, kind):
    vectors = unets[kind]
    config, converted = convert_unet(vectors.tensors, kind, **vectors.facts["config"])
    told, same = convert_unet(vectors.group("model.diffusion_model."), kind, **TOLD[kind].unet)
    assert config == told and converted.keys() == same.keys()
    assert config["norm_num_groups"] == 4 and len(converted) == 690
    assert json.loads(json.dumps(config)) == config


def test_an_autoencoder_of_any_width(golden):
    vectors = golden("teachers/ldm_vae_tiny")
    config, converted = convert_vae(vectors.tensors, **vectors.facts["config"])
    assert config["block_out_channels"] == [8, 16, 24, 24] and config["norm_num_groups"] == 4
    told, same = convert_vae(vectors.group("first_stage_model."), norm_num_groups=4)
    assert config == told and converted.keys() == same.keys()


def wrong(kind: str, change: Callable[[dict[str, Tensor]], object], says: str, **config: Any):
    return pytest.param(kind, change, config, says, id=says)


CAMERA = "model.diffusion_model.camera_embed."
FIRST = "model.diffusion_model.input_blocks.1.0.in_layers.2.weight"
WRONG = [
    wrong("mvdream", lambda t: [t.pop(name) for name in list(t) if name.startswith(CAMERA)], "no camera_embed"),
    wrong("mvdream", lambda t: t.update({f"{CAMERA}0.weight": torch.zeros(32, 12)}), "no camera_embed for 16 numbers"),
    wrong("mvdream", lambda t: t.pop(FIRST), "lacks 1 tensors, e.g. down_blocks.0.resnets.0.conv1.weight"),
    wrong("mvdream", lambda t: t.update({FIRST: torch.zeros(8, 8, 3, 5)}), "conv1.weight has shape"),
    wrong("mvdream", lambda t: t.update({"model.diffusion_model.label_emb.0": torch.zeros(1)}), "belongs nowhere"),
    wrong("mvdream", lambda t: t.update({f"{FIRST}.more": torch.zeros(1)}), "belong nowhere"),
    wrong("mvdream", lambda t: t.clear(), "has no tensor input_blocks.0.0.weight"),
    wrong("mvdream", lambda t: None, "of another family", swapped="richdreamer"),
    wrong("richdreamer", lambda t: None, "of another family", swapped="mvdream"),
    wrong("mvdream", lambda t: None, "cross_attention_dim is said to be 7", context_dim=7),
    wrong("mvdream", lambda t: None, "say how many heads", attention_head_dim=None),
    wrong("dreamer", lambda t: None, "no kind 'dreamer'"),
]


@pytest.mark.parametrize(("kind", "change", "config", "says"), WRONG)
def test_what_is_wrong_with_tensors_is_named(unets, kind, change, config, says):
    config = dict(config)
    held = config.pop("swapped", kind if kind in UNETS else "mvdream")
    tensors = unets[held].group("model.diffusion_model.")
    tensors = {f"model.diffusion_model.{name}": tensor for name, tensor in tensors.items()}
    change(tensors)
    with pytest.raises(InputError) as raised:
        convert_unet(tensors, kind, **{**TOLD[held].unet, **config})
    assert says in str(raised.value)


# ---- text


def test_open_clip_text_tower():
    """Against open_clip's own code: the last but one layer, normed."""
    torch.manual_seed(0)
    tower = open_clip.model.TextTransformer(context_length=9, vocab_size=40, width=32, heads=2, layers=3, output_dim=8)
    for parameter in tower.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    state = {f"cond_stage_model.model.{name}": tensor for name, tensor in tower.state_dict().items()}
    state["cond_stage_model.model.logit_scale"] = torch.ones(())
    config, converted = convert_open_clip_text_encoder(state, heads=2)
    assert config["num_hidden_layers"] == 2 and config["hidden_act"] == "gelu"
    ours = CLIPTextModel(CLIPTextModel.config_class(**config)).eval()
    ours.load_state_dict(converted, strict=True)

    tokens = torch.randint(0, 40, (2, 9))
    seen: list[Tensor] = []
    tower.transformer.resblocks[-1].register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    with torch.no_grad():
        tower(tokens)
        expected = tower.ln_final(seen[0])
        found = ours(tokens).last_hidden_state
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)
    with pytest.raises(InputError, match="belongs nowhere: strange"):
        convert_open_clip_text_encoder({**state, "cond_stage_model.model.strange": torch.zeros(1)}, heads=2)


@pytest.mark.parametrize("pad", ["!", "<|endoftext|>"])
def test_the_tokenizer_is_clips(pad):
    tokenizer = clip_tokenizer(pad)
    theirs = open_clip.SimpleTokenizer()
    assert len(tokenizer) == 49408
    for prompt in (
        "a red cube",
        "  Hello   WORLD <b>",
        "红色的立方体 на синем 🟥",
        "a DSLR photo of a tiger's head",
        "a " * 99,
    ):
        encoded = tokenizer(prompt, padding="max_length", truncation=True, max_length=77).input_ids
        expected = theirs([prompt])[0].tolist()
        end = expected.index(49407)
        assert encoded[: end + 1] == expected[: end + 1]
        assert set(encoded[end + 1 :]) <= {0 if pad == "!" else 49407}


# ---- files


@pytest.fixture
def original(unets, golden, tmp_path) -> Callable[[str], Path]:
    """`original(family)`: a file as its authors publish it, with networks of a few channels."""

    def write(family: str) -> Path:
        tensors = {
            name: tensor for name, tensor in unets[family].tensors.items() if name.startswith("model.diffusion_model.")
        }
        tensors |= {
            name: tensor
            for name, tensor in golden("teachers/ldm_vae_tiny").tensors.items()
            if name.startswith("first_stage_model.")
        }
        tensors |= text_tensors(family)
        tensors |= {"betas": torch.zeros(1000), "first_stage_model.loss.logvar": torch.zeros(())}
        path = tmp_path / f"{family}.ckpt"
        torch.save(tensors if family == "mvdream" else {"state_dict": tensors, "global_step": 5}, path)
        return path

    return write


def text_tensors(family: str) -> dict[str, Tensor]:
    torch.manual_seed(1)
    width = {"mvdream": 20, "richdreamer": 12}[family]
    if family == "mvdream":
        tower = open_clip.model.TextTransformer(context_length=77, vocab_size=49408, width=width, heads=2, layers=3)
        named = {f"cond_stage_model.model.{name}": tensor for name, tensor in tower.state_dict().items()}
        return {name: torch.randn(tensor.shape) * 0.1 for name, tensor in named.items()}
    config = CLIPTextModel.config_class(
        hidden_size=width, intermediate_size=24, num_hidden_layers=2, num_attention_heads=2, vocab_size=49408
    )
    named = CLIPTextModel(config).state_dict()
    prefix = "cond_stage_model.transformer.text_model."
    tensors = {f"{prefix}{name.removeprefix('text_model.')}": tensor for name, tensor in named.items()}
    return {**tensors, f"{prefix}embeddings.position_ids": torch.arange(77).unsqueeze(0)}


@pytest.mark.parametrize("family", UNETS)
def test_a_file_becomes_a_folder(original, unets, family, tmp_path):
    path, folder = original(family), tmp_path / "made"
    assert convert_file(path, family, folder, TOLD[family])
    manifest = read_manifest(folder)
    assert manifest.kind == "weights" and manifest.facts["unet_parameters"] == unets[family].facts["parameters"]
    unused = set(manifest.facts["unused"])
    assert {"betas", "first_stage_model.loss.logvar"} <= unused
    assert ("first_stage_model.encoder.conv_in.weight" in unused) == (family == "richdreamer")
    assert (folder / "vae").is_dir() == (family == "mvdream")

    vectors, unet = unets[family], load_unet(folder, CPU, torch.float32)
    unet_input = {"encoder_hidden_states": vectors["io.context"], "class_labels": vectors["io.camera"]}
    install_multiview_attention(unet, 4)
    with torch.no_grad():
        output = unet(vectors["io.x"], vectors["io.timesteps"], **unet_input).sample
    torch.testing.assert_close(output, vectors["io.output"], rtol=0, atol=5e-6)
    assert load_tokenizer(folder).pad_token_id == (0 if family == "mvdream" else 49407)
    assert load_text_encoder(folder, CPU, torch.float32).config.hidden_size == vectors["io.context"].shape[-1]
    assert load_alphas_cumprod(folder)[500].item() == pytest.approx(0.276333, abs=1e-6)
    if family == "mvdream":
        load_vae(folder, CPU, torch.float32)

    assert not convert_file(path, family, folder, TOLD[family]), "done already"


def test_a_converted_folder_teaches(original, tmp_path, configure):
    convert_file(original("mvdream"), "mvdream", tmp_path / "made", TOLD["mvdream"])
    config = configure("mvdream", weights=str(tmp_path / "made"), resolution=32)
    teacher = load_teacher("mvdream", config, CPU)
    assert teacher(request_for(teacher.spec)).gradient.abs().max() > 0


def change(path: Path, update: Callable[[dict[str, Any]], object]) -> None:
    content = torch.load(path, weights_only=True)
    update(content.get("state_dict", content))
    torch.save(content, path)


BAD_FILES = {
    "is cut short": lambda path: path.write_bytes(path.read_bytes()[:50_000]),
    "torch.save did not write it": lambda path: path.write_bytes(b"PK\x03\x04 some other zip"),
    "holds no state_dict": lambda path: torch.save([1, 2], path),
    "1 tensors that belong nowhere, e.g. control_model.weight": lambda path: change(
        path, lambda t: t.update({"control_model.weight": torch.zeros(1)})
    ),
    "keeps averaged weights": lambda path: change(path, lambda t: t.update({"model_ema.outweight": torch.zeros(1)})),
    "has no tensor cond_stage_model.model.": lambda path: change(
        path, lambda t: [t.pop(name) for name in list(t) if name.startswith("cond_stage_model.")]
    ),
    "another noise schedule": lambda path: change(path, lambda t: t.update(alphas_cumprod=torch.linspace(1, 0, 1000))),
    "values that are not finite": lambda path: change(path, lambda t: t[FIRST].fill_(torch.nan)),
}


@pytest.mark.parametrize("says", BAD_FILES)
def test_a_bad_file_is_named_and_leaves_nothing(original, tmp_path, says):
    path = original("mvdream")
    BAD_FILES[says](path)
    with pytest.raises(InputError) as raised:
        convert_file(path, "mvdream", tmp_path / "made", TOLD["mvdream"])
    assert says in str(raised.value)
    assert not (tmp_path / "made").exists()


def test_the_other_familys_file(original, tmp_path):
    with pytest.raises(InputError, match=r"belong nowhere|another family"):
        convert_file(original("richdreamer"), "mvdream", tmp_path / "made", TOLD["mvdream"])
    with pytest.raises(MissingError):
        read_tensors(tmp_path / "absent.pt")
