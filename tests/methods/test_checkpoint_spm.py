"""SPM's released files: their adapters keep their gates, side by side and as merged as is asked."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from diffusers import StableDiffusionPipeline
from safetensors.torch import load_file, save_file
from torch import Tensor

from erasebench.api.erasure import Erasure
from erasebench.editing.adapters import transformer_layers
from erasebench.editing.text_states import TextStates
from erasebench.errors import UserError
from erasebench.methods.spm import GatedAdapters
from tests.methods.checkpoint_files import VALUE, read
from tests.methods.inference_time import ddim_pipeline, latents_of
from tests.methods.test_checkpoint_adapters import module_of
from tests.methods.test_checkpoint_lora import kohya_lora, lora_factors
from tests.tiny_model import tiny_pipeline

# Its letters are in no far prompt: the tokenizer spells.
CONCEPT, NEAR, FAR = "Zed Quux", "Zed Quux at sea", "a big barn on a hill"


@pytest.fixture(scope="module")
def pipeline() -> StableDiffusionPipeline:
    return tiny_pipeline()


def spm(file: Path, unet: object, header: dict[str, str] | None, *, seed: int = 1) -> tuple[Path, dict[str, Tensor]]:
    """A file as SPM releases them, with adapters that no image survives, and the same by our own names."""
    generator = torch.Generator().manual_seed(seed)
    tensors: dict[str, Tensor] = {}
    own: dict[str, Tensor] = {}
    for name, layer in transformer_layers(unet).items():  # type: ignore[arg-type]
        out, *shape = layer.weight.shape
        down, up = torch.randn(1, *shape, generator=generator), torch.randn(out, 1, generator=generator)
        key = f"lora_unet_{name.replace('.', '_')}"
        tensors[f"{key}.lora_down.weight"] = down
        tensors[f"{key}.lora_up.weight"] = up.reshape(out, 1, *(1 for _ in shape[1:]))
        tensors[f"{key}.alpha"] = torch.tensor(2.0)
        own |= {f"down.{name}": down, f"up.{name}": 2 * up}
    save_file(tensors, file, metadata=header)
    return file, own


HEADER = {"prompts": CONCEPT, "rank": "1", "alpha": "1.0", "project": "zed"}


def test_an_spm_keeps_its_gate(tmp_path: Path, pipeline: StableDiffusionPipeline) -> None:
    file, own = spm(tmp_path / "spm.safetensors", pipeline.unet, HEADER)
    found = read(file, pipeline)
    change = found.sampling
    assert isinstance(change, GatedAdapters) and not found.tensors
    assert (change.concepts, change.rank, change.floors) == ((CONCEPT,), 1, (0.0,))
    assert set(change.tensors) == set(own)
    assert all(torch.equal(change.tensors[name], value) for name, value in own.items())
    assert (found.record["format"], found.record["gates"]) == ("spm, gated", [CONCEPT])
    text = TextStates(pipeline)
    near, far = change.gates(text, text.encode([NEAR, FAR]), [NEAR, FAR])[:, 0].tolist()
    assert near == 1.0 and far < 1.0


def test_what_an_spm_paints_is_what_our_own_membrane_of_these_numbers_paints(tmp_path: Path) -> None:
    painter = ddim_pipeline()
    file, own = spm(tmp_path / "spm.safetensors", painter.unet, HEADER)
    ours = GatedAdapters(concepts=(CONCEPT,), floors=(0.0,), rank=1, tensors=own)
    with Erasure(sampling=ours).applied_to(painter):
        expected = latents_of(painter, [NEAR, FAR], 1)
    with read(file, tiny_pipeline()).applied_to(painter):
        assert torch.equal(latents_of(painter, [NEAR, FAR], 1), expected)


def test_the_gates_of_spms_act_as_released_where_that_is_asked(
    tmp_path: Path, pipeline: StableDiffusionPipeline
) -> None:
    file, own = spm(tmp_path / "spm.safetensors", pipeline.unet, HEADER)
    assert read(file, pipeline).digest == read(file, pipeline, merging="products").digest
    change = read(file, pipeline, merging="factors").sampling
    assert isinstance(change, GatedAdapters) and change.merging == "factors"
    assert all(torch.equal(change.tensors[name], value) for name, value in own.items())
    for gates in ({"gates": "open"}, {"gates": "open", "lora_scale": 0.5}):
        with pytest.raises(UserError, match="checkpoint.merging has no effect"):
            read(file, pipeline, merging="factors", **gates)


def test_an_spm_without_its_concept_is_never_folded_open_by_itself(
    tmp_path: Path, pipeline: StableDiffusionPipeline
) -> None:
    file, _ = spm(tmp_path / "spm.safetensors", pipeline.unet, None)
    with pytest.raises(UserError, match="no header that names their concept") as caught:
        read(file, pipeline)
    assert "checkpoint.gates" in caught.value.hint
    gated = read(file, pipeline, gates=CONCEPT)
    assert isinstance(gated.sampling, GatedAdapters) and gated.sampling.concepts == (CONCEPT,)
    opened = read(file, pipeline, gates="open")
    assert opened.sampling is None and opened.record["format"] == "lora" and opened.tensors
    spm(file, pipeline.unet, HEADER | {"prompts": "a cat,a dog"})
    with pytest.raises(UserError, match="with one gate for several concepts"):
        read(file, pipeline)


@pytest.mark.parametrize("header", [{"ss_network_dim": "1"}, {"prompts": '{"target": "a cat"}', "config": "{}"}])
def test_a_lora_of_rank_one_whose_header_says_so_is_folded(
    tmp_path: Path, pipeline: StableDiffusionPipeline, header: dict[str, str]
) -> None:
    file, _ = spm(tmp_path / "lora.safetensors", pipeline.unet, header)
    found = read(file, pipeline)
    assert found.sampling is None and f"unet.{VALUE}" in found.tensors


def test_several_spms_and_a_lora_stand_side_by_side(tmp_path: Path, pipeline: StableDiffusionPipeline) -> None:
    one, first = spm(tmp_path / "one.safetensors", pipeline.unet, HEADER)
    two, second = spm(tmp_path / "two.safetensors", pipeline.unet, HEADER | {"prompts": "a ball"}, seed=2)
    lora = kohya_lora(tmp_path / "lora", lora_factors(pipeline, (VALUE,)))
    found = read([one, lora, two], pipeline)
    change = found.sampling
    assert isinstance(change, GatedAdapters) and change.concepts == (CONCEPT, "a ball")
    assert list(found.tensors) == [f"unet.{VALUE}"]
    for name in first:
        expected = torch.cat([first[name], second[name]], dim=1 if name.startswith("up.") else 0)
        assert torch.equal(change.tensors[name], expected)
    with pytest.raises(UserError, match="Two SPMs are opened by"):
        read([one, one], pipeline)


def test_an_spm_of_another_model_is_refused(tmp_path: Path, pipeline: StableDiffusionPipeline) -> None:
    file, _ = spm(tmp_path / "spm.safetensors", pipeline.unet, HEADER)
    tensors = load_file(file)
    key = f"{module_of(VALUE)}.lora_down.weight"
    save_file(tensors | {key: torch.zeros(1, 48)}, file, metadata=HEADER)
    with pytest.raises(UserError, match="wrong shape"):
        read(file, pipeline)
    moved = {name.replace("down_blocks_0", "down_blocks_9"): value for name, value in tensors.items()}
    save_file(moved, file, metadata=HEADER)
    with pytest.raises(UserError, match="have no layer 'lora_unet_down_blocks_9"):
        read(file, pipeline)
