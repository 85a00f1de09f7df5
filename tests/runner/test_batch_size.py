"""A GPU's batch: a first size by its memory, halved until it fits, and remembered."""

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
from erasebench.diffusion.profile import NumericsProfile
from erasebench.diffusion.sampling import Sampler, SampleSpec
from erasebench.errors import UserError
from erasebench.files.weights import cache_folder
from erasebench.identity import digest
from erasebench.runner import batch_size as module
from erasebench.runner.batch_size import Card, batch_size, card_of
from erasebench.runner.job import plan
from erasebench.runner.request import Request
from tests.runner.toy import of

BIG, SMALL = Card("A GPU", 80), Card("Another", 12)
HALF, FULL = (NumericsProfile(device_type="cuda", dtype=dtype, batch_size=8) for dtype in ("float16", "float32"))


@pytest.fixture(autouse=True)
def own_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("ERASEBENCH_CACHE", str(tmp_path / "cache"))


def world(side: int = 512, **given: Any) -> Any:
    sampling = SamplingDefaults(steps=50, guidance=7.5, width=side, height=side, batch_size=8).model_copy(update=given)
    return SimpleNamespace(sampling=sampling, sampling_given=given, weights_digest=lambda: f"model {side}")


def up_to(most: int) -> Any:
    return lambda size: size <= most


@pytest.mark.parametrize(
    ("side", "profile", "card", "size"),
    [
        (512, HALF, BIG, 32),
        (512, HALF, SMALL, 8),
        (512, FULL, BIG, 8),
        (768, HALF, BIG, 8),
        (1024, HALF, BIG, 8),
        (1024, FULL, SMALL, 1),
        (64, HALF, BIG, 64),
    ],
)
def test_the_first_size_goes_by_memory_pixels_and_precision(
    side: int, profile: NumericsProfile, card: Card, size: int
) -> None:
    assert batch_size(world(side), profile, card, up_to(1000)) == size


def test_a_cpu_and_a_user_decide_for_themselves() -> None:
    assert card_of("cpu") is None
    assert batch_size(world(), HALF, None, up_to(0)) is None
    assert batch_size(world(batch_size=5), HALF, BIG, up_to(0)) is None


def test_it_is_halved_until_it_fits_and_remembered_for_this_card_model_and_profile_alone() -> None:
    tried: list[int] = []
    assert batch_size(world(), HALF, BIG, lambda size: bool(tried.append(size)) or size <= 5) == 4
    assert tried == [32, 16, 8, 4]
    assert batch_size(world(), HALF, BIG, up_to(0)) == 4, "not tried again"
    others = [(world(), FULL, BIG), (world(768), HALF, BIG), (world(), HALF, SMALL)]
    others.append((world(), HALF.model_copy(update={"compiled": True}), BIG))
    assert [batch_size(own, profile, card, up_to(1000)) for own, profile, card in others] == [8, 8, 8, 32]


@pytest.mark.parametrize(
    "damage", ["{", "[]", '{"KEY": {"batch_size": "x"}}', '{"KEY": 3}', '{"KEY": {"batch_size": 0}}']
)
def test_a_damaged_memory_costs_a_trial(damage: str) -> None:
    batch_size(world(), HALF, BIG, up_to(4))
    file = cache_folder() / "batch-sizes.json"
    (key,) = json.loads(file.read_text())
    file.write_text(damage.replace("KEY", key), encoding="utf-8")
    assert batch_size(world(), HALF, BIG, up_to(2)) == 2


def test_a_card_that_holds_no_image_is_named() -> None:
    with pytest.raises(UserError, match="Not even one image of 512 x 512 fits into the A GPU") as caught:
        batch_size(world(), HALF, BIG, up_to(0))
    assert "--dtype float16" in caught.value.hint
    assert not (cache_folder() / "batch-sizes.json").exists()


@pytest.fixture
def small_gpu(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The CPU in the place of a GPU that holds two images; which batches were sampled on it."""
    monkeypatch.setattr("erasebench.runner.session.card_of", lambda device: Card("A very small GPU", 12))
    monkeypatch.setattr("erasebench.runner.run.on_gpu", lambda device: True)
    monkeypatch.setattr(module, "FIRST", ((0, 32),))
    monkeypatch.setattr(module, "MOST", 8)
    sampled: list[int] = []
    images = Sampler.images

    def bounded(self: Sampler, specs: Sequence[SampleSpec]) -> Iterator[Any]:
        sampled.append(self.profile.batch_size)
        # The trial's one spec; the world's own batch of four, in which a method samples what it trains on, fits.
        if self.profile.batch_size > 2 and list(specs) == [SampleSpec("", 0)]:
            raise torch.OutOfMemoryError("CUDA out of memory")
        yield from images(self, specs)

    monkeypatch.setattr(Sampler, "images", bounded)
    return sampled


def test_a_run_samples_in_the_batch_that_fits(words: dict[str, Any], small_gpu: list[int]) -> None:
    summary = erasebench.run(**words)
    assert not summary.failures
    assert {record.manifest.profile.batch_size for record in summary.records} == {2}
    assert small_gpu[:4] == [8, 4, 2, 2] and 8 not in small_gpu[3:]
    (known,) = json.loads((cache_folder() / "batch-sizes.json").read_text()).values()
    assert known == {"card": "A very small GPU", "batch_size": 2}
    small_gpu.clear()
    again = erasebench.run(**words)
    assert not small_gpu, "a finished run is found again"
    method = summary.records[-1].method
    assert of(again, method).identity == of(summary, method).identity


def test_several_erasings_are_taken_together_in_that_batch(words: dict[str, Any], small_gpu: list[int]) -> None:
    summary = erasebench.run(**words, repeats=2)
    assert not summary.failures
    record = of(summary, summary.records[-1].method)
    assert len(record.repeats) == 2 and record.manifest.profile.batch_size == 2


def test_the_batch_is_no_part_of_an_erasure_and_a_plan_asks_no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    from dataclasses import replace

    monkeypatch.setattr("torch.cuda.get_device_properties", None)
    (job,) = plan(Request(("uce",), ("celebrity",), baselines="none", device="cuda"))
    other = replace(job, batch_size=4)
    assert (job.profile.batch_size, other.profile.batch_size) == (32, 4)
    assert digest(job.erasure_identity("none")) == digest(other.erasure_identity("none"))
    assert job.image_digests("ab") != other.image_digests("ab")


def test_a_table_alone_is_sampled_so_too_but_several_processes_agree_without_asking(
    tmp_path: Path, small_gpu: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    frame = erasebench.sample([f"a portrait of a man {at}" for at in range(5)], tmp_path / "out", steps=1)
    assert small_gpu == [8, 4, 2, 2] and (frame["file"] != "").all()
    small_gpu.clear()
    monkeypatch.setenv("RANK", "0")
    monkeypatch.setenv("WORLD_SIZE", "1")
    erasebench.sample(["a portrait of a man"], tmp_path / "out", steps=1)
    assert small_gpu == [2]
    monkeypatch.setenv("WORLD_SIZE", "2")
    small_gpu.clear()
    with pytest.raises(UserError, match="other processes"):
        erasebench.sample([f"a portrait {at}" for at in range(3)], tmp_path / "two", steps=1)
    assert small_gpu == [32]
