"""RECE on a tiny random-weight model: UCE first, then every epoch against brute force on the weights themselves."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import StableDiffusionPipeline
from torch import Tensor

from erasebench.api.concepts import ErasureTask, Kind
from erasebench.api.erasure import Erasure
from erasebench.editing.cross_attention import projections
from erasebench.editing.text_states import TextStates
from erasebench.errors import UserError
from erasebench.methods.rece import Rece, ReceConfig
from erasebench.methods.uce import Uce, UceConfig
from tests.methods.closed_form import SD_PROJECTIONS, Row, least_squares, relative_error, sd_unet, task_of
from tests.methods.mace.workspace import TestWorkspace
from tests.tiny_model import tiny_pipeline


def erase(folder: Path, task: ErasureTask, **settings: Any) -> tuple[Erasure, StableDiffusionPipeline]:
    workspace = TestWorkspace(tiny_pipeline(), folder)
    return Rece(ReceConfig(**settings)).erase(workspace.pipeline, task, workspace), workspace.pipeline


def uce(folder: Path, task: ErasureTask, **settings: Any) -> dict[str, Tensor]:
    workspace = TestWorkspace(tiny_pipeline(), folder)
    edited = Uce(UceConfig(release="older", **settings)).erase(workspace.pipeline, task, workspace).tensors
    return {name: value.double() for name, value in edited.items()}


def derived_by_hand(
    state: Tensor, old: list[Tensor], new: list[Tensor], r: float, pulls_to: Tensor | None = None
) -> Tensor:
    """argmin over c' of sum |W_new c' - W_old c|^2 + r |c' - e|^2, e = 0 unless given: one stacked problem."""
    eye = torch.eye(len(state), dtype=torch.float64)
    held = torch.zeros_like(state) if pulls_to is None else pulls_to
    return solved([*new, r**0.5 * eye], [*(weight @ state for weight in old), r**0.5 * held])


def derived_near_its_outputs(state: Tensor, old: list[Tensor], new: list[Tensor], r: float) -> Tensor:
    """argmin over c' of sum |W_new c' - W_old c|^2 + r |W_new (c' - c)|^2."""
    held = [r**0.5 * weight for weight in new]
    return solved([*new, *held], [weight @ state for weight in (*old, *held)])


def solved(inputs: list[Tensor], wanted: list[Tensor]) -> Tensor:
    return torch.linalg.lstsq(torch.cat(inputs), torch.cat(wanted)[:, None]).solution[:, 0]


@pytest.mark.parametrize(
    ("settings", "anchor", "kept"),
    [
        ({"epochs": 1}, " ", [" "]),
        ({"epochs": 2}, " ", [" "]),
        ({"anchor": "art", "epochs_keep": "blank-and-names"}, "art", [" ", "Cy", "Di Wick"]),
        ({"epochs_keep": "blank-per-concept"}, " ", [" ", " "]),
        ({"regulariser": "blank-prompt"}, " ", [" "]),
        ({"regulariser": "blank-prompt", "anchor": "art"}, "art", [" "]),
        ({"regulariser": "concept-outputs"}, " ", [" "]),
    ],
    ids=str,
)
def test_each_epoch_erases_what_the_edited_weights_still_answer_to(
    tmp_path: Path, settings: dict[str, Any], anchor: str, kept: list[str]
) -> None:
    task = task_of()
    erasure, pipeline = erase(tmp_path, task, regularisation=0.01, **settings)
    text = TextStates(pipeline)
    concepts = text.encode([concept.name for concept in task.concepts]).double()
    blank, anchored = text.encode([" ", anchor]).double()
    old = {f"unet.{name}.weight": layer.weight.detach().double() for name, layer in projections(pipeline.unet).items()}
    new = uce(tmp_path, task_of(keep=()), anchor="art" if anchor == "art" else "release")
    epochs = settings.get("epochs", 1)
    for _ in range(epochs):
        rows: list[Row] = [(state, state, 0.1) for state in text.encode(kept).double().flatten(0, 1)]
        weights = list(old.values()), list(new.values())
        for states in concepts:
            for state, wanted, empty in zip(states, anchored, blank, strict=True):
                if settings.get("regulariser") == "concept-outputs":
                    found = derived_near_its_outputs(state, *weights, 0.01)
                else:
                    pulls_to = empty if settings.get("regulariser") == "blank-prompt" else None
                    found = derived_by_hand(state, *weights, 0.01, pulls_to)
                rows.append((found, wanted, 1.0))
        new = {name: least_squares(weight, rows, ridge=0.1) for name, weight in new.items()}
    assert set(erasure.tensors) == set(new)
    for name, weight in new.items():
        assert relative_error(erasure.tensors[name], weight) < 1e-4
    numbers = range(1, epochs + 1)
    expected = {"uce", *(f"epoch {n}" for n in numbers), *(f"derived in epoch {n}" for n in numbers)}
    assert set(erasure.record["condition_numbers"]) == expected
    assert (erasure.record["anchor"], erasure.record["kept_in_epochs"]) == (anchor, kept)


def test_without_epochs_it_is_uces_older_release_with_nothing_kept(tmp_path: Path) -> None:
    erasure, _ = erase(tmp_path, task_of(), epochs=0)
    for name, weight in uce(tmp_path, task_of(keep=())).items():
        assert torch.equal(erasure.tensors[name].double(), weight)
    assert erasure.record["kept_names"] == []


def test_its_first_edit_can_keep_names(tmp_path: Path) -> None:
    erasure, _ = erase(tmp_path, task_of(), epochs=0, uce_keeps_names=True, uce_ridge=0.7, uce_preserve_scale=0.2)
    for name, weight in uce(tmp_path, task_of(), ridge=0.7, preserve_scale=0.2).items():
        assert torch.equal(erasure.tensors[name].double(), weight)
    assert erasure.record["kept_names"] == ["Cy", "Di Wick"]


def test_an_epoch_leaves_less_of_the_concept_to_be_derived(tmp_path: Path) -> None:
    task = task_of(names=("Ada Thorne",))
    left = []
    for epochs in (0, 1, 3):
        erasure, pipeline = erase(tmp_path, task, epochs=epochs)
        (states,) = TextStates(pipeline).encode(["Ada Thorne"]).double()
        old = [layer.weight.detach().double() for layer in projections(pipeline.unet).values()]
        new = [weight.double() for weight in erasure.tensors.values()]
        regained = [derived_by_hand(state, old, new, 0.1) for state in states[1:12]]
        missed = [
            (torch.cat(new) @ found - torch.cat(old) @ state).norm()
            for found, state in zip(regained, states[1:12], strict=True)
        ]
        left.append(float(torch.stack(missed).sum()))
    assert left[0] < left[1] < left[2]


@pytest.mark.parametrize("names", [("Ada",), tuple(f"N{number}" for number in range(10))])
def test_it_edits_every_projection_for_any_number_of_concepts(tmp_path: Path, names: tuple[str, ...]) -> None:
    erasure, pipeline = erase(tmp_path, task_of(names=names))
    assert set(erasure.tensors) == {f"unet.{name}.weight" for name in projections(pipeline.unet)}
    assert all(torch.isfinite(value).all() for value in erasure.tensors.values())


def test_it_touches_the_32_projections_of_stable_diffusion_and_nothing_else() -> None:
    method = Rece(ReceConfig())
    assert {name for name, _ in sd_unet().named_parameters() if method.edits(f"unet.{name}")} == {
        name.removeprefix("unet.") for name in SD_PROJECTIONS
    }


STYLE = {"anchor": "art", "uce_keeps_names": True, "uce_preserve_scale": 0.1, "epochs_keep": "blank-and-names"}
WORDS = {"epochs_keep": "blank-per-concept"}


@pytest.mark.parametrize("variant", ["default", "as-released"])
@pytest.mark.parametrize(
    ("kind", "n_concepts", "settings"),
    [
        ("explicit", 1, {"regularisation": 0.1, "epochs": 3, **WORDS}),
        ("explicit", 2, {"regularisation": 0.1, "epochs": 2, **WORDS}),
        ("object", 1, {"regularisation": 0.1, "epochs": 1}),
        ("style", 10, {"regularisation": 1e-3, "epochs": 1, **STYLE}),
        ("person", 10, {"regularisation": 1e-3, "epochs": 1}),
    ],
)
def test_its_recipes_are_the_released_ones(kind: Kind, n_concepts: int, variant: str, settings: dict[str, Any]) -> None:
    config = Rece.recipe(world="stable-diffusion-v1-4", kind=kind, n_concepts=n_concepts, variant=variant)
    assert config == ReceConfig(**settings)
    released = Rece.recipe(world="miniature", kind=kind, n_concepts=n_concepts, variant="as-released")
    assert released == ReceConfig(**settings)


def test_hard_objects_differ_in_the_regularisation() -> None:
    config = Rece.recipe(world="stable-diffusion-v1-4", kind="object", n_concepts=1, variant="hard-objects")
    assert config == ReceConfig(regularisation=1e-3, epochs=1)


@pytest.mark.parametrize(("kind", "settings"), [("style", STYLE), ("explicit", WORDS), ("person", {}), ("object", {})])
def test_the_miniatures_recipe_keeps_what_the_release_keeps(kind: Kind, settings: dict[str, Any]) -> None:
    config = Rece.recipe(world="miniature", kind=kind, n_concepts=10)
    asked = {"anchor": "blank", "epochs_keep": "blank", **settings}
    assert {name: getattr(config, name) for name in asked} == asked


def test_a_recipe_of_another_kind_is_refused() -> None:
    with pytest.raises(UserError, match="no recipe 'hard-objects' for kind 'style'"):
        Rece.recipe(world="miniature", kind="style", n_concepts=1, variant="hard-objects")


def test_a_kept_name_longer_than_the_context_is_refused_in_the_epochs_too(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="92 tokens"):
        erase(tmp_path, task_of(keep=("x" * 90,)), epochs_keep="blank-and-names")


def test_a_singular_edit_names_the_setting_that_mends_it(tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        erase(tmp_path, task_of(), ridge=0.0, preserve_scale=0.0, regularisation=1e-9)
    assert "rece." in caught.value.hint
