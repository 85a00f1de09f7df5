"""A method works with as many threads as its world says, so that the number of cores decides nothing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

import erasebench
from erasebench.api.method import load_method
from erasebench.api.world import World, load_world
from erasebench.cli import main
from erasebench.diffusion.profile import NumericsProfile
from erasebench.diffusion.sampling import Sampler
from erasebench.runner.job import plan
from erasebench.runner.request import Request
from erasebench.runner.threads import threads
from erasebench.runner.workspace import RunWorkspace
from tests.runner.toy import of


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    with threads(torch.get_num_threads()):
        yield


@pytest.mark.parametrize(("said", "used"), [(1, 1), (None, 2)])
def test_a_method_works_with_as_many_threads_as_its_world_says(
    words: dict[str, Any], monkeypatch: pytest.MonkeyPatch, said: int | None, used: int
) -> None:
    torch.set_num_threads(2)
    monkeypatch.setattr(World, "erasing_threads", said)
    method, seen = load_method("uce"), []
    erase = method.erase

    def watched(*of_erase: Any) -> Any:
        seen.append(torch.get_num_threads())
        return erase(*of_erase)

    monkeypatch.setattr(method, "erase", watched)
    record = of(erasebench.run(**words | {"method": "uce"}, limit=1, baselines="none"), "uce")
    assert seen == [used]
    assert record.manifest.threads == torch.get_num_threads() == 2


def test_what_was_there_comes_back_after_a_mistake_too() -> None:
    torch.set_num_threads(2)
    with pytest.raises(KeyError), threads(1):
        raise KeyError
    assert torch.get_num_threads() == 2


def test_training_on_the_miniature_gives_the_same_bits_on_one_thread_and_on_two(tmp_path: Path) -> None:
    short = ["--set", "esd-x.steps=3", "--set", "esd-x.pooled_runs=2"]
    words = ["--suite", "celebrity", "--concepts", "Zane Langridge", *short]
    files = {count: tmp_path / f"{count}.safetensors" for count in (1, 2)}
    for count, file in files.items():
        torch.set_num_threads(count)
        places = ["--runs-folder", str(tmp_path / f"runs-{count}"), "--export", str(file)]
        assert main(["erase", "--method", "esd-x", *words, *places]) == 0
    assert files[1].read_bytes() == files[2].read_bytes()


@pytest.mark.parametrize(("there", "used"), [(1, 1), (2, 2), (8, 2)])
def test_a_methods_own_images_have_as_many_threads_as_give_the_pixels_of_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, there: int, used: int
) -> None:
    """On eight threads 2 of 98,304 values differ from one thread's (docs/reproducibility.md); on two none does."""
    world, seen = load_world("miniature"), []
    torch.set_num_threads(there)
    workspace = RunWorkspace(world, world.pipeline(), NumericsProfile(batch_size=2), seed=1, folder=tmp_path)
    images = Sampler.images

    def watched(self: Sampler, specs: Any) -> Any:
        for image in images(self, specs):
            seen.append(torch.get_num_threads())
            yield image

    monkeypatch.setattr(Sampler, "images", watched)
    with threads(world.erasing_threads):
        workspace.sample(["A cat", "A dog"], [1, 2], steps=1)
        assert torch.get_num_threads() == 1
    assert seen == [used, used]


def test_a_methods_own_images_are_the_same_on_one_thread_and_on_two(tmp_path: Path) -> None:
    world = load_world("miniature")
    pipeline, made = world.pipeline(), {}
    prompts = [f"A portrait of {name}" for name in world.concept_lists.names("person", "erase")[:64]]
    for count in (1, 2):
        torch.set_num_threads(count)
        workspace = RunWorkspace(world, pipeline, NumericsProfile(batch_size=32), seed=1, folder=tmp_path)
        made[count] = [image.tobytes() for image in workspace.sample(prompts, range(64), steps=1, guidance=7.5)]
    assert made[1] == made[2] and len(set(made[1])) == 64


@pytest.mark.parametrize(("device", "used"), [("cpu", 1), ("cuda", None), ("cuda:1", None)])
def test_only_on_the_cpu_does_the_worlds_number_hold(device: str, used: int | None) -> None:
    (job,) = plan(Request(methods=("uce",), suites=("celebrity",), baselines="none"))
    assert replace(job, request=replace(job.request, device=device)).erasing_threads == used
