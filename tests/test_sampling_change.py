"""Changes of sampling: installed and removed, saved with the erasure, part of its digest, never in a plain folder."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from diffusers import StableDiffusionPipeline

from erasebench.api import sampling_change
from erasebench.api.erasure import RECORD_FILE, Erasure
from erasebench.api.sampling_change import SAMPLING_CHANGES, Encode, SamplingChange, packed_phrases, watched_prompts
from erasebench.errors import UserError
from erasebench.files.sealed import write_sealed_json
from tests.tiny_model import tiny_pipeline, tiny_tokenizer


class Louder(SamplingChange):
    """Multiplies the prompt's states by a tensor of its own and by a factor."""

    kind: ClassVar[str] = "louder"

    factor: float

    @contextmanager
    def applied_to(self, pipeline: StableDiffusionPipeline) -> Iterator[None]:
        def louder(encode: Encode, arguments: Mapping[str, Any]) -> Any:
            states, negative = encode(**arguments)
            return states * self.factor * self.tensors["scale"], negative

        with watched_prompts(pipeline, louder):
            yield


def change(factor: float = 2.0, scale: float = 1.0) -> Louder:
    return Louder(factor=factor, tensors={"scale": torch.full((32,), scale)})


@pytest.fixture(scope="module")
def pipeline() -> StableDiffusionPipeline:
    return tiny_pipeline()


def images(pipeline: StableDiffusionPipeline) -> torch.Tensor:
    return pipeline("a red ball", latents=torch.ones(1, 4, 8, 8), num_inference_steps=2, output_type="latent").images


def test_it_is_on_inside_the_block_alone(pipeline: StableDiffusionPipeline) -> None:
    before = images(pipeline)
    with Erasure(sampling=change()).applied_to(pipeline):
        assert not torch.equal(images(pipeline), before)
        with Erasure(sampling=change(0.5)).applied_to(pipeline):
            torch.testing.assert_close(images(pipeline), before)
        assert not torch.equal(images(pipeline), before)
    assert torch.equal(images(pipeline), before)
    assert "encode_prompt" not in vars(pipeline)


def test_it_comes_off_after_an_error_and_weights_with_it(pipeline: StableDiffusionPipeline) -> None:
    name, value = next(iter(pipeline.unet.named_parameters()))
    before = images(pipeline)
    erasure = Erasure({f"unet.{name}": value.detach() + 1}, sampling=change())
    with pytest.raises(RuntimeError, match="half way"), erasure.applied_to(pipeline):
        raise RuntimeError("half way")
    assert torch.equal(images(pipeline), before)


def test_it_travels_with_the_erasure(tmp_path: Path, pipeline: StableDiffusionPipeline) -> None:
    name, value = next(iter(pipeline.unet.named_parameters()))
    erasure = Erasure({f"unet.{name}": value.detach() * 2}, {"concepts": ["Ann"]}, change(3.0, 0.5))
    erasure.save(tmp_path)
    loaded = Erasure.load(tmp_path)
    assert loaded.sampling is not None
    assert loaded.sampling.settings == {"factor": 3.0}
    assert list(loaded.tensors) == [f"unet.{name}"]
    assert loaded.digest == erasure.digest
    with erasure.applied_to(pipeline):
        expected = images(pipeline)
    with loaded.applied_to(pipeline):
        assert torch.equal(images(pipeline), expected)


def test_all_of_it_is_part_of_the_digest(monkeypatch: pytest.MonkeyPatch) -> None:
    digests = {Erasure(sampling=each).digest for each in (None, change(), change(3.0), change(2.0, 0.5))}
    assert len(digests) == 4
    before = Erasure(sampling=change()).digest
    monkeypatch.setattr(sampling_change, "source_digest", lambda modules: "other source")
    assert Erasure(sampling=change()).digest != before


def test_another_version_of_its_source_still_reads_the_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    erasure = Erasure(sampling=change())
    erasure.save(tmp_path)
    before = erasure.digest
    monkeypatch.setattr(sampling_change, "source_digest", lambda modules: "other source")
    assert Erasure.load(tmp_path).digest != before


@pytest.mark.parametrize(
    ("sampling", "message"),
    [
        ({"kind": "loud", "settings": {}}, "no sampling change 'loud'"),
        ({"kind": "louder", "settings": {"volume": 3}}, "does not accept these settings"),
        ({"kind": "louder", "settings": {"factor": 9.0}}, "changed after it was written"),
    ],
)
def test_what_cannot_be_restored_is_named(tmp_path: Path, sampling: dict[str, Any], message: str) -> None:
    Erasure(sampling=change()).save(tmp_path)
    written = json.loads((tmp_path / RECORD_FILE).read_text())
    write_sealed_json(tmp_path / RECORD_FILE, written | {"sampling": sampling})
    with pytest.raises(UserError, match=message):
        Erasure.load(tmp_path)


def test_no_plain_folder_pretends_to_hold_it(tmp_path: Path, pipeline: StableDiffusionPipeline) -> None:
    with pytest.raises(UserError, match=r"how images are sampled \(louder\)") as refusal:
        Erasure(sampling=change()).export(pipeline, tmp_path / "edited")
    assert "erasebench sample --erasure" in refusal.value.hint
    assert not (tmp_path / "edited").exists()


def test_ours_are_found_by_name() -> None:
    assert set(SAMPLING_CHANGES.names()) >= {"gated-adapters", "negative-prompt", "safety-guidance"}
    for name in SAMPLING_CHANGES.names():
        assert SAMPLING_CHANGES.load(name).kind == name


def test_names_are_packed_into_as_few_phrases_as_they_need() -> None:
    tokenizer = tiny_tokenizer()
    # Every letter is a token; 'aaaa, ' is four letters and a comma: 15 names of 5 fill 75 positions but for one comma.
    names = tuple(letter * 4 for letter in "abcdefghijklmnopqr")
    phrases = packed_phrases(tokenizer, names)
    assert ", ".join(phrases) == ", ".join(names)
    lengths = [len(tokenizer(phrase, add_special_tokens=False)["input_ids"]) for phrase in phrases]
    assert lengths == [74, 14]
    assert packed_phrases(tokenizer, ("Ann",)) == ("Ann",)
