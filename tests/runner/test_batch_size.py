"""A GPU's batch: a first size by its memory, halved where it has no room, and remembered."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

import erasebench
from erasebench.api.world import SamplingDefaults
from erasebench.diffusion.sampling import Sampler, SampleSpec
from erasebench.errors import UserError
from erasebench.files.weights import cache_folder
from erasebench.identity import digest
from erasebench.runner import batch_size as module
from erasebench.runner.batch_size import Card, batch_size, remember_half
from erasebench.runner.job import plan
from erasebench.runner.request import Request
from tests.runner.toy import of

BIG, SMALL = Card("A GPU", 80), Card("Another", 12)


@pytest.fixture(autouse=True)
def own_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("ERASEBENCH_CACHE", str(tmp_path / "cache"))


def world(side: int = 512, **given: Any) -> Any:
    sampling = SamplingDefaults(steps=50, guidance=7.5, width=side, height=side, batch_size=8).model_copy(update=given)
    return SimpleNamespace(
        sampling=sampling, sampling_given=given, half_dtype="float16", weights_digest=lambda: f"model {side}"
    )


@pytest.mark.parametrize(
    ("side", "dtype", "card", "size"),
    [
        (512, "auto", BIG, 32),
        (512, "float16", SMALL, 8),
        (512, "float32", BIG, 8),
        (768, "auto", BIG, 8),
        (1024, "auto", BIG, 8),
        (1024, "float32", SMALL, 1),
        (64, "auto", BIG, 64),
    ],
)
def test_the_first_size_goes_by_memory_pixels_and_precision(side: int, dtype: str, card: Card, size: int) -> None:
    assert batch_size(world(side), "cuda:0", dtype, card) == size


def test_a_cpu_and_a_user_decide_for_themselves() -> None:
    assert batch_size(world(), "cpu", "auto", BIG) is None
    assert batch_size(world(batch_size=5), "cuda", "auto", BIG) is None


def test_a_half_is_remembered_for_this_card_model_and_precision_alone() -> None:
    assert remember_half(world(), "cuda", "auto", 32, BIG) == 16
    assert batch_size(world(), "cuda", "float16", BIG) == 16, "auto is float16 here"
    assert remember_half(world(), "cuda", "auto", 16, BIG) == 8
    assert batch_size(world(), "cuda", "auto", BIG) == 8
    others = [(world(), "bfloat16", BIG), (world(768), "auto", BIG), (world(), "auto", SMALL)]
    assert [batch_size(own, "cuda", dtype, card) for own, dtype, card in others] == [32, 8, 8]
    (cache_folder() / "batch-sizes.json").write_text("{", encoding="utf-8")
    assert batch_size(world(), "cuda", "auto", BIG) == 32, "a torn file costs a trial"


def test_what_cannot_be_halved_is_said() -> None:
    with pytest.raises(UserError, match="A batch of 12 images of 512 x 512") as caught:
        remember_half(world(batch_size=12), "cuda", "auto", 12, BIG)
    assert "--batch-size 6" in caught.value.hint
    with pytest.raises(UserError, match="A batch of 1 images") as caught:
        remember_half(world(), "cuda", "float32", 1, BIG)
    assert "--dtype float16" in caught.value.hint
    assert not (cache_folder() / "batch-sizes.json").exists()


@pytest.fixture
def small_gpu(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The CPU in the place of a GPU that holds two images at most; which batches were tried on it."""
    card = Card("A very small GPU", 12)

    def size(world: Any, device: str, dtype: str) -> int | None:
        return batch_size(world, "cuda", dtype, card)

    def half(world: Any, device: str, dtype: str, size: int) -> int:
        return remember_half(world, "cuda", dtype, size, card)

    for user in ("run", "job", "sample"):
        monkeypatch.setattr(f"erasebench.runner.{user}.batch_size", size)
        if user != "job":
            monkeypatch.setattr(f"erasebench.runner.{user}.remember_half", half)
    monkeypatch.setattr(module, "FIRST", ((0, 8),))
    monkeypatch.setattr(module, "MOST", 8)
    tried: list[int] = []
    images = Sampler.images

    def bounded(self: Sampler, specs: Sequence[SampleSpec]) -> Iterator[Any]:
        tried.append(self.profile.batch_size)
        for at, image in enumerate(images(self, specs)):
            if at >= 2 and self.profile.batch_size > 2:
                raise torch.OutOfMemoryError("CUDA out of memory")
            yield image

    monkeypatch.setattr(Sampler, "images", bounded)
    return tried


def test_a_run_goes_on_with_the_batch_that_fits(words: dict[str, Any], small_gpu: list[int]) -> None:
    summary = erasebench.run(**words)
    assert not summary.failures
    assert {record.manifest.profile.batch_size for record in summary.records} == {2}
    assert small_gpu[:3] == [8, 4, 2]
    assert small_gpu.count(8) == 1, "what was found counts for every later job"
    (known,) = json.loads((cache_folder() / "batch-sizes.json").read_text()).values()
    assert known == {"card": "A very small GPU", "batch_size": 2}
    small_gpu.clear()
    again = erasebench.run(**words)
    assert not small_gpu, "a finished run is found again"
    method = summary.records[-1].method
    assert of(again, method).identity == of(summary, method).identity


def test_the_batch_is_no_part_of_an_erasure(small_gpu: list[int]) -> None:
    request = Request(("uce",), ("celebrity",), baselines="none")
    before = plan(request)[0]
    remember_half(before.world, "cuda", "auto", 8, Card("A very small GPU", 12))
    after = plan(request)[0]
    assert (before.profile.batch_size, after.profile.batch_size) == (8, 4)
    assert digest(before.erasure_identity("none")) == digest(after.erasure_identity("none"))
    assert before.image_digests("ab") != after.image_digests("ab")


def test_a_table_alone_goes_on_too(tmp_path: Path, small_gpu: list[int]) -> None:
    frame = erasebench.sample([f"a portrait of a man {at}" for at in range(5)], tmp_path / "out", steps=1)
    assert small_gpu == [8, 4, 2] and (frame["file"] != "").all()


def test_one_of_several_processes_says_to_run_again(
    tmp_path: Path, small_gpu: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RANK", "0")
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(UserError, match="The GPU of process 0 has no room for a batch of 8 images") as caught:
        erasebench.sample([f"a portrait of a man {at}" for at in range(10)], tmp_path / "out", steps=1)
    assert "all processes then take 4" in caught.value.hint
