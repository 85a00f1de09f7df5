"""LoRA training: together equals alone, gradients reach the adapters only, timesteps are focal."""

from __future__ import annotations

import pytest
import torch
from diffusers import DDPMScheduler, StableDiffusionPipeline

from erasebench.editing.cross_attention import projections
from erasebench.errors import UserError
from erasebench.methods.mace import MaceConfig
from erasebench.methods.mace.lora import Lora, LoraBatch
from erasebench.methods.mace.timesteps import timestep_density
from erasebench.methods.mace.training import TrainingConcept, train_loras
from erasebench.training.images import Latents
from tests.tiny_model import tiny_pipeline

CONFIG = MaceConfig(steps=6, learning_rate=1e-2, rank=2)


def ignore(steps: int) -> None:
    """No progress bar."""


def pipeline64() -> StableDiffusionPipeline:
    return tiny_pipeline().to(dtype=torch.float64)


def training_concept(number: int) -> TrainingConcept:
    def random(*shape: int, purpose: int) -> torch.Tensor:
        generator = torch.Generator().manual_seed(10 * number + purpose)
        return torch.randn(*shape, dtype=torch.float64, generator=generator)

    masks = torch.zeros(3 + number, 16, 16, dtype=torch.bool)
    masks[:, number : number + 6, 2:10] = True
    tokens = torch.zeros(4, 77, dtype=torch.bool)
    tokens[:, 3 : 5 + number] = True
    return TrainingConcept(
        latents=Latents(
            random(3 + number, 4, 8, 8, purpose=1),
            torch.full((3 + number, 4, 8, 8), 0.1, dtype=torch.float64),
            DDPMScheduler(),
        ),
        masks=masks,
        states=random(4, 77, 32, purpose=2),
        tokens=tokens,
        generator=torch.Generator().manual_seed(number),
    )


def assert_same(found: Lora, expected: Lora) -> None:
    for name in expected.down:
        torch.testing.assert_close(found.down[name], expected.down[name], rtol=1e-5, atol=1e-8)
        torch.testing.assert_close(found.up[name], expected.up[name], rtol=1e-5, atol=1e-8)


def test_concepts_trained_together_equal_each_trained_alone() -> None:
    pipeline = pipeline64()
    together, losses = train_loras(pipeline, [training_concept(i) for i in range(3)], CONFIG, ignore)
    for number, lora in enumerate(together):
        (alone,), loss = train_loras(pipeline, [training_concept(number)], CONFIG, ignore)
        assert_same(lora, alone)
        torch.testing.assert_close(losses[:, number], loss[:, 0])
        assert max(float(up.abs().max()) for up in lora.up.values()) > 1e-3


def test_a_greedy_neighbour_does_not_take_part_of_the_clipped_gradient() -> None:
    pipeline = pipeline64()
    tight = CONFIG.model_copy(update={"gradient_clip": 1e-9, "steps": 2})
    together, _ = train_loras(pipeline, [training_concept(i) for i in range(2)], tight, ignore)
    (alone,), _ = train_loras(pipeline, [training_concept(1)], tight, ignore)
    assert_same(together[1], alone)


def test_training_lowers_the_attention_to_the_concept() -> None:
    concept = training_concept(0)
    config = CONFIG.model_copy(update={"steps": 40, "learning_rate": 3e-2})
    _, losses = train_loras(pipeline64(), [concept], config, ignore)
    assert float(losses[-8:].mean()) < 0.8 * float(losses[:8].mean())


def test_gradients_reach_the_key_and_value_adapters_and_nothing_else() -> None:
    pipeline = pipeline64()
    before = {name: value.clone() for name, value in pipeline.unet.state_dict().items()}
    (lora,), _ = train_loras(pipeline, [training_concept(0)], CONFIG, ignore)
    assert all(parameter.grad is None for parameter in pipeline.unet.parameters())
    assert all(parameter.requires_grad for parameter in pipeline.unet.parameters())
    assert all(torch.equal(value, before[name]) for name, value in pipeline.unet.state_dict().items())
    assert set(lora.up) == set(projections(pipeline.unet))
    assert all(name.endswith(("attn2.to_k", "attn2.to_v")) for name in lora.up)
    # The last block's values come after the last attention map; every other adapter must have moved.
    still = [name for name, up in lora.up.items() if not up.any()]
    assert [name.rpartition(".")[2] for name in still] == ["to_v"]


def test_keys_alone_are_trained_where_values_have_no_rate() -> None:
    (keys,), _ = train_loras(pipeline64(), [training_concept(0)], CONFIG.model_copy(update={"value_rate": 0.0}), ignore)
    assert all(up.any() == name.endswith("to_k") for name, up in keys.up.items())
    # The first step is the same for both: values start from nothing and keys do not see them yet.
    one = CONFIG.model_copy(update={"steps": 1})
    (first,), _ = train_loras(pipeline64(), [training_concept(0)], one, ignore)
    (slow,), _ = train_loras(pipeline64(), [training_concept(0)], one.model_copy(update={"value_rate": 0.5}), ignore)
    for name, up in first.up.items():
        share = 0.5 if name.endswith("to_v") else 1.0
        torch.testing.assert_close(slow.up[name], share * up)


def test_a_loss_that_is_no_number_is_an_error_and_leaves_the_model_alone() -> None:
    pipeline = pipeline64()
    with pytest.raises(UserError, match="loss is nan at step 1"):
        train_loras(pipeline, [training_concept(0)], CONFIG.model_copy(update={"learning_rate": 1e305}), ignore)
    assert all(parameter.requires_grad for parameter in pipeline.unet.parameters())


def test_adapters_start_as_the_paper_says() -> None:
    layers = projections(tiny_pipeline().unet)
    batch = LoraBatch(layers, [torch.Generator().manual_seed(i) for i in range(50)], rank=4)
    values = torch.cat([down.detach().flatten() for down in batch.down.values()])
    assert float(values.mean()) == pytest.approx(0, abs=0.01)
    assert float(values.std()) == pytest.approx(1 / 4, rel=0.02)
    assert not any(up.any() for up in batch.up.values())


def test_attached_each_sample_is_changed_by_its_own_lora() -> None:
    layers = projections(tiny_pipeline().unet)
    name, layer = next(iter(layers.items()))
    batch = LoraBatch(layers, [torch.Generator().manual_seed(i) for i in range(2)], rank=2)
    torch.nn.init.normal_(batch.up[name].detach())
    states = torch.randn(2, 77, 32)
    plain = layer(states)
    with batch.attached():
        changed = layer(states)
    for i, lora in enumerate(batch.split()):
        torch.testing.assert_close(changed[i], plain[i] + states[i] @ (lora.up[name] @ lora.down[name]).T)
    assert torch.equal(layer(states), plain)


def test_focal_sampling_stays_between_its_flanks() -> None:
    density = timestep_density(MaceConfig(), 1000)
    assert float(density.sum()) == pytest.approx(1)
    assert float(density[200:401].sum()) > 0.85
    assert float(density[300] / density[600]) > 1e3
    t = torch.tensor([250.0, 380.0], dtype=torch.float64)
    formula = 1 / (1 + torch.exp(-0.05 * (t - 200))) - 1 / (1 + torch.exp(-0.05 * (t - 400)))
    assert float(density[250] / density[380]) == pytest.approx(float(formula[0] / formula[1]))


def test_without_focal_sampling_every_timestep_is_as_likely() -> None:
    density = timestep_density(MaceConfig(focal_sampling=False), 1000)
    assert float(density.min()) == float(density.max()) == pytest.approx(1e-3)
