"""The training loop: what a step does, and that a killed run goes on with the same bits."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor

from erasebench.errors import UserError
from erasebench.training.config import TrainingConfig, scaled_to_miniature
from erasebench.training.loop import Loss, constant, fit, reproducible
from erasebench.training.seeds import generator_of, stream_seed
from tests.methods.mace.workspace import TestWorkspace
from tests.tiny_model import tiny_pipeline

CONFIG = TrainingConfig(steps=7, learning_rate=0.1, checkpoint_every=2)


@pytest.fixture
def workspace(tmp_path: Path) -> TestWorkspace:
    return TestWorkspace(tiny_pipeline(), tmp_path)


def start() -> dict[str, Tensor]:
    return {"a": torch.tensor([1.0, -2.0], requires_grad=True), "b": torch.tensor([[3.0]], requires_grad=True)}


def quadratic(weights: dict[str, Tensor], fails_at: int | None = None) -> Loss:
    """The squared distance to a target that every step draws anew; raises at step `fails_at`, as a kill would."""
    calls: Iterator[int] = iter(range(100))

    def loss(generator: torch.Generator) -> Tensor:
        if next(calls) == fails_at:
            raise KeyboardInterrupt
        target = torch.randn(2, generator=generator)
        return (weights["a"] - target).square().sum() + weights["b"].square().sum()

    return loss


def run(
    workspace: TestWorkspace, config: TrainingConfig = CONFIG, **more: object
) -> tuple[dict[str, Tensor], list[float]]:
    weights = start()
    losses = fit(weights, quadratic(weights), config, workspace, label="toy", **more)  # type: ignore[arg-type]
    return weights, losses


def assert_same(one: dict[str, Tensor], other: dict[str, Tensor]) -> None:
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_it_is_adam(workspace: TestWorkspace) -> None:
    weights, losses = run(workspace)
    by_hand = start()
    optimizer = torch.optim.Adam(by_hand.values(), lr=0.1)
    loss = quadratic(by_hand)
    expected = []
    for step in range(7):
        optimizer.zero_grad()
        value = loss(generator_of(workspace, "training", step))
        value.backward()
        optimizer.step()
        expected.append(float(value.detach()))
    assert_same(weights, by_hand)
    assert losses == expected


@pytest.mark.parametrize("killed_at", [1, 2, 3, 6])
def test_a_killed_run_resumes_to_the_same_bits(tmp_path: Path, killed_at: int) -> None:
    config = CONFIG.model_copy(update={"weight_decay": 0.01, "gradient_clip": 0.5})
    whole, losses = run(TestWorkspace(tiny_pipeline(), tmp_path / "whole"), config)
    killed, weights = TestWorkspace(tiny_pipeline(), tmp_path / "killed"), start()
    with pytest.raises(KeyboardInterrupt):
        fit(weights, quadratic(weights, fails_at=killed_at), config, killed, label="toy")
    again, again_losses = run(killed, config)
    assert_same(again, whole)
    assert again_losses == losses


def test_a_finished_run_is_read_and_not_trained(workspace: TestWorkspace) -> None:
    whole, losses = run(workspace)
    weights = start()
    assert fit(weights, lambda _: pytest.fail("trained again"), CONFIG, workspace, label="toy") == losses
    assert_same(weights, whole)


def test_each_step_and_run_draws_its_own_numbers(workspace: TestWorkspace) -> None:
    drawn = [torch.randn(3, generator=generator_of(workspace, *key)) for key in (("x", 0), ("x", 1), ("y", 0))]
    assert not any(torch.equal(drawn[i], drawn[j]) for i, j in ((0, 1), (0, 2), (1, 2)))
    assert torch.equal(drawn[1], torch.randn(3, generator=generator_of(workspace, "x", 1)))
    workspace.seed += 1
    assert not torch.equal(drawn[1], torch.randn(3, generator=generator_of(workspace, "x", 1)))


def test_a_stream_has_a_seed_of_its_own_that_every_sampler_takes(workspace: TestWorkspace) -> None:
    seeds = {stream_seed(workspace, *purpose) for purpose in (("a cat", 1), ("a cat", 2), ("a dog", 1), ("a cat",))}
    assert len(seeds) == 4
    assert all(0 <= seed < 2**31 for seed in seeds)
    workspace.seed += 1
    assert stream_seed(workspace, "a cat", 1) not in seeds


def test_the_gradient_is_clipped_over_all_weights_together(workspace: TestWorkspace) -> None:
    weights = start()

    def loss(generator: torch.Generator) -> Tensor:
        return 100 * sum((weight.square().sum() for weight in weights.values()), torch.zeros(()))

    seen: list[float] = []
    for weight in weights.values():
        weight.register_post_accumulate_grad_hook(lambda w: seen.append(float(w.grad.norm())))
    config = CONFIG.model_copy(update={"steps": 1, "gradient_clip": 0.25})
    fit(weights, loss, config, workspace, label="toy")
    clipped = torch.stack([weight.grad.norm() for weight in weights.values() if weight.grad is not None]).norm()
    assert min(seen) > 100
    assert float(clipped) == pytest.approx(0.25, rel=1e-4)


def test_masked_weights_never_move(workspace: TestWorkspace) -> None:
    masks = {"a": torch.tensor([True, False]), "b": torch.tensor([[False]])}
    weights, _ = run(workspace, masks=masks)
    before = start()
    assert torch.equal(weights["b"], before["b"])
    assert torch.equal(weights["a"] == before["a"], ~masks["a"])


def test_the_schedule_scales_the_rate(tmp_path: Path) -> None:
    still, _ = run(TestWorkspace(tiny_pipeline(), tmp_path / "a"), schedule=lambda step: 0.0)
    assert_same(still, start())
    assert constant(0) == constant(10**6) == 1.0


def test_a_loss_that_is_no_number_is_named(workspace: TestWorkspace) -> None:
    weights = start()
    with pytest.raises(UserError, match="toy: the loss is nan at step 0"):
        fit(weights, lambda _: weights["a"].sum() * float("nan"), CONFIG, workspace, label="toy")


def test_a_damaged_checkpoint_is_named_and_the_run_begins_anew(
    workspace: TestWorkspace, caplog: pytest.LogCaptureFixture
) -> None:
    weights, losses = run(workspace)
    (file,) = workspace.folder.rglob("*.pt")
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    again = run(workspace)
    assert_same(again[0], weights)
    assert again[1] == losses
    assert caplog.messages == [
        f"{file} was changed after it was written: it is set aside as {file.name}.damaged and made again."
    ]


def test_settings_that_decide_determinism_come_back() -> None:
    cudnn = torch.backends.cudnn
    before = (cudnn.benchmark, cudnn.deterministic, torch.are_deterministic_algorithms_enabled())
    with reproducible(torch.device("cpu")):
        assert cudnn.deterministic and not cudnn.benchmark
    assert (cudnn.benchmark, cudnn.deterministic, torch.are_deterministic_algorithms_enabled()) == before


def test_the_miniature_goes_as_far_as_the_published_run_unless_told_a_rate() -> None:
    published = TrainingConfig(steps=1000, learning_rate=1e-5, weight_decay=0.01)
    scaled = scaled_to_miniature(published, steps=50, batch_size=8, gradient_clip=1.0)
    assert scaled.learning_rate == pytest.approx(1e-5 * (1000 / 50))
    assert (scaled.steps, scaled.batch_size, scaled.gradient_clip, scaled.weight_decay) == (50, 8, 1.0, 0.01)
    assert scaled_to_miniature(published, steps=50, batch_size=8, learning_rate=0.02).learning_rate == 0.02
