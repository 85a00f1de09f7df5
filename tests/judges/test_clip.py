from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import open_clip
import pandas as pd
import pytest
import torch
from open_clip.model import CLIP
from PIL import Image
from safetensors.torch import save_file
from transformers import CLIPConfig, CLIPModel

from erasebench.errors import UserError
from erasebench.judges import clip
from erasebench.judges.clip import ClipAccuracyJudge, ClipEncoder, ClipScoreJudge

TINY = {
    "embed_dim": 32,
    "quick_gelu": True,
    "vision_cfg": {"image_size": 32, "layers": 2, "width": 64, "head_width": 32, "patch_size": 8},
    "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 64, "heads": 2, "layers": 2},
}
CPU = torch.device("cpu")
WEIGHTS_OF_OPENAI = "tiny-quickgelu"
PROMPTS = ["a photo of the cat", "A portrait of somebody", "ship " * 200]


@pytest.fixture(scope="module", autouse=True)
def tiny_stands_in_for_vit_b_32(tmp_path_factory: pytest.TempPathFactory) -> None:
    config = tmp_path_factory.mktemp("configs") / f"{WEIGHTS_OF_OPENAI}.json"
    config.write_text(json.dumps(TINY))
    open_clip.add_model_config(config)


@pytest.fixture(scope="module")
def model() -> CLIP:
    torch.manual_seed(5)
    model = open_clip.create_model(WEIGHTS_OF_OPENAI)
    for parameter in model.parameters():  # initial biases are zero and gains one: a wrong mapping would go unseen
        parameter.data += 0.05 * torch.randn_like(parameter)
    return model.eval()


@pytest.fixture
def encoder(model: CLIP, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ClipEncoder:
    monkeypatch.setattr(clip, "OPENAI_MODEL", WEIGHTS_OF_OPENAI)
    save_file(dict(model.state_dict()), tmp_path / "tiny.safetensors")
    return ClipEncoder.from_openai(tmp_path / "tiny.safetensors", CPU)


def _images(n: int) -> list[np.ndarray]:
    return list(np.random.default_rng(0).integers(0, 255, (n, 32, 32, 3), dtype=np.uint8))


def _block(prefix: str, theirs: str, state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    out: dict[str, torch.Tensor] = {}
    for kind in ("weight", "bias"):
        q, k, v = state[f"{prefix}.attn.in_proj_{kind}"].chunk(3)
        out |= {f"{theirs}.self_attn.{x}_proj.{kind}": t.clone() for x, t in zip("qkv", (q, k, v), strict=True)}
        for a, b in (
            ("attn.out_proj", "self_attn.out_proj"),
            ("ln_1", "layer_norm1"),
            ("ln_2", "layer_norm2"),
            ("mlp.c_fc", "mlp.fc1"),
            ("mlp.c_proj", "mlp.fc2"),
        ):
            out[f"{theirs}.{b}.{kind}"] = state[f"{prefix}.{a}.{kind}"]
    return out


def _as_transformers(model: CLIP) -> CLIPModel:
    """transformers' CLIPModel with the same weights."""
    s = model.state_dict()
    common = {"hidden_size": 64, "intermediate_size": 256, "num_hidden_layers": 2, "num_attention_heads": 2}
    theirs = CLIPModel(
        CLIPConfig(
            text_config=common
            | {"vocab_size": 49408, "max_position_embeddings": 77, "bos_token_id": 49406, "eos_token_id": 49407},
            vision_config=common | {"image_size": 32, "patch_size": 8},
            projection_dim=32,
        )
    )
    state = {
        "logit_scale": s["logit_scale"],
        "text_model.embeddings.token_embedding.weight": s["token_embedding.weight"],
        "text_model.embeddings.position_embedding.weight": s["positional_embedding"],
        "text_projection.weight": s["text_projection"].T,
        "vision_model.embeddings.class_embedding": s["visual.class_embedding"],
        "vision_model.embeddings.position_embedding.weight": s["visual.positional_embedding"],
        "vision_model.embeddings.patch_embedding.weight": s["visual.conv1.weight"],
        "visual_projection.weight": s["visual.proj"].T,
    }
    for ours, other in (
        ("ln_final", "text_model.final_layer_norm"),
        ("visual.ln_pre", "vision_model.pre_layrnorm"),
        ("visual.ln_post", "vision_model.post_layernorm"),
    ):
        state |= {f"{other}.{kind}": s[f"{ours}.{kind}"] for kind in ("weight", "bias")}
    for layer in range(2):
        state |= _block(f"transformer.resblocks.{layer}", f"text_model.encoder.layers.{layer}", s)
        state |= _block(f"visual.transformer.resblocks.{layer}", f"vision_model.encoder.layers.{layer}", s)
    missing, unexpected = theirs.load_state_dict(state, strict=False)
    assert not unexpected and all(name.endswith("position_ids") for name in missing)
    return theirs.eval()


def test_scores_equal_those_of_transformers_with_the_same_weights(encoder: ClipEncoder, model: CLIP) -> None:
    images = _images(3)
    theirs = _as_transformers(model)
    tokens = encoder.tokenizer(PROMPTS)
    pixels = torch.stack([encoder.transform(Image.fromarray(image)) for image in images])
    with torch.no_grad():
        seen = theirs(input_ids=tokens, attention_mask=torch.ones_like(tokens), pixel_values=pixels)
    expected = 100 * torch.nn.functional.cosine_similarity(seen.image_embeds, seen.text_embeds).numpy()
    judged = ClipScoreJudge(encoder).judge(images, pd.DataFrame({"prompt": PROMPTS}))
    assert judged["clip_score"].to_numpy() == pytest.approx(expected, abs=1e-4)


def test_class_probabilities_equal_those_of_transformers(encoder: ClipEncoder, model: CLIP) -> None:
    images, classes = _images(4), ("cat", "dog", "ship")
    theirs = _as_transformers(model)
    tokens = encoder.tokenizer([f"a photo of the {name}" for name in classes])
    pixels = torch.stack([encoder.transform(Image.fromarray(image)) for image in images])
    with torch.no_grad():
        logits = theirs(input_ids=tokens, attention_mask=torch.ones_like(tokens), pixel_values=pixels).logits_per_image
    concepts = ["dog", "kitty", "ship", ""]
    judge = ClipAccuracyJudge(encoder, classes, synonyms={"kitty": "cat"})
    judged = judge.judge(images, pd.DataFrame({"concept": concepts}))
    expected = logits.softmax(1).numpy()
    assert judged["probability"].to_numpy()[:3] == pytest.approx(expected[[0, 1, 2], [1, 0, 2]], abs=1e-4)
    assert pd.isna(judged["probability"].iloc[3])
    assert judged["asked"].tolist() == ["dog", "cat", "ship", None]
    assert list(judged["predicted"]) == [classes[at] for at in expected.argmax(1)]


def test_a_row_depends_neither_on_batch_size_nor_on_order(encoder: ClipEncoder) -> None:
    images = _images(7)
    rows = pd.DataFrame({"prompt": [PROMPTS[at % 3] for at in range(7)], "concept": ["cat"] * 7})
    for judge in (ClipScoreJudge(encoder), ClipAccuracyJudge(encoder, ("cat", "dog", "ship"))):
        encoder.batch_size = 64
        whole = judge.judge(images, rows)
        encoder.batch_size = 2
        order = [4, 0, 6, 2, 5, 1, 3]
        again = judge.judge([images[at] for at in order], rows.iloc[order]).loc[rows.index]
        pd.testing.assert_frame_equal(whole, again, atol=1e-4, rtol=0)


def test_openais_torchscript_archive_is_read_too(
    model: CLIP, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, encoder: ClipEncoder
) -> None:
    class Archive(torch.nn.Module):
        """Holds the weights under their own names and the three integers that OpenAI's file carries."""

        def __init__(self) -> None:
            super().__init__()
            for name in ("input_resolution", "context_length", "vocab_size"):
                self.register_buffer(name, torch.tensor(7))
            for name, child in model.named_children():
                self.add_module(name, child)
            for name, parameter in model.named_parameters(recurse=False):
                self.register_parameter(name, parameter)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.nn.functional.embedding(x, self.get_parameter("token_embedding.weight"))

    path = tmp_path / "tiny.pt"
    torch.jit.save(torch.jit.trace(Archive(), torch.tensor([1])), path)
    assert ClipEncoder.from_openai(path, CPU).identity() == encoder.identity()
    torch.save(model.state_dict(), tmp_path / "plain.bin")
    assert ClipEncoder.from_openai(tmp_path / "plain.bin", CPU).identity() == encoder.identity()


@pytest.mark.parametrize(
    ("name", "content"),
    [("absent.pt", None), ("text.safetensors", b"no tensors"), ("text.pt", b"no tensors"), ("empty.bin", b"")],
)
def test_a_file_without_the_weights_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, content: bytes | None
) -> None:
    monkeypatch.setattr(clip, "OPENAI_MODEL", WEIGHTS_OF_OPENAI)
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match=name) as error:
        ClipScoreJudge.from_openai(tmp_path / name, CPU)
    assert "open_clip_model.safetensors" in error.value.hint


def test_weights_of_another_shape_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clip, "OPENAI_MODEL", WEIGHTS_OF_OPENAI)
    other: dict[str, torch.Tensor] = open_clip.create_model(WEIGHTS_OF_OPENAI).state_dict()
    other["visual.proj"] = torch.zeros(64, 8)
    save_file(other, tmp_path / "other.safetensors")
    with pytest.raises(UserError, match="could not be loaded from .*other.safetensors"):
        ClipAccuracyJudge.from_openai(tmp_path / "other.safetensors", CPU, ("cat",))


def test_without_the_hub_the_error_says_which_file_to_get(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", "/nonexistent")
    with pytest.raises(UserError, match="could not be loaded from the hub") as error:
        ClipScoreJudge.from_openai(None, CPU)
    assert "timm/vit_base_patch32_clip_224.openai" in error.value.hint


def test_an_unreachable_hub_is_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable(*_: object, **__: object) -> None:
        raise OSError("Name or service not known")

    monkeypatch.setattr("socket.create_connection", unreachable)
    monkeypatch.setattr("erasebench.files.weights.getproxies", dict)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", "/nonexistent")
    with pytest.raises(UserError, match="from the hub: Name or service not known"):
        ClipScoreJudge.from_openai(None, CPU)


def test_identity_changes_with_one_weight_and_with_the_template(encoder: ClipEncoder) -> None:
    before = ClipAccuracyJudge(encoder, ("cat",)).identity()
    assert ClipAccuracyJudge(encoder, ("cat",), template="{}").identity() != before
    encoder.model.positional_embedding.data[0, 0] += 1
    other = ClipEncoder(encoder.label, encoder.model, encoder.tokenizer, encoder.transform, CPU)
    assert ClipAccuracyJudge(other, ("cat",)).identity() != before


def test_openai_weights_are_loaded_under_the_quickgelu_config() -> None:
    assert open_clip.get_model_config(clip.OPENAI_MODEL)["quick_gelu"] is True
