"""UCE on a tiny random-weight model: its closed form against brute force, both releases, what it touches."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import StableDiffusionPipeline

from erasebench.api.concepts import ErasureTask, Kind
from erasebench.api.erasure import Erasure
from erasebench.editing.cross_attention import projections
from erasebench.editing.text_states import TextStates
from erasebench.errors import UserError
from erasebench.methods.uce import Uce, UceConfig, anchor_of
from tests.methods.closed_form import SD_PROJECTIONS, Row, least_squares, relative_error, sd_unet, task_of
from tests.methods.mace.workspace import TestWorkspace
from tests.tiny_model import tiny_pipeline

EMPTY = ""


def erase(folder: Path, task: ErasureTask, **settings: Any) -> tuple[Erasure, StableDiffusionPipeline]:
    workspace = TestWorkspace(tiny_pipeline(), folder)
    return Uce(UceConfig(**settings)).erase(workspace.pipeline, task, workspace), workspace.pipeline


def last(pipeline: StableDiffusionPipeline, phrase: str) -> int:
    """Position of a phrase's last token, counted by the tokenizer: start, tokens, end."""
    return len(pipeline.tokenizer(phrase)["input_ids"]) - 2


def brute_force_rows(pipeline: StableDiffusionPipeline, release: str, anchor: str) -> list[Row]:
    """What each release asks for, written out token by token."""
    text = TextStates(pipeline)
    rows: list[Row] = []
    for name in ("Ada Thorne", "Bo"):
        erased, anchored = text.encode([name, anchor])
        here, there = last(pipeline, name), last(pipeline, anchor)
        steps = range(1) if release == "newer" else range(77 - max(here, there))
        rows += [(erased[here + step], anchored[there + step], 1.0) for step in steps]
    for name in ("Cy", "Di Wick", *([EMPTY] if release == "older" else [])):
        states = text.encode([name])[0]
        kept = [states[last(pipeline, name)]] if release == "newer" else list(states)
        rows += [(state, state, 1.0 if release == "newer" else 1 / 3) for state in kept]
    return rows


@pytest.mark.parametrize(("release", "anchor"), [("newer", ""), ("older", " ")])
def test_each_release_solves_its_least_squares_problem(tmp_path: Path, release: str, anchor: str) -> None:
    erasure, pipeline = erase(tmp_path, task_of(), release=release)
    rows = brute_force_rows(pipeline, release, anchor)
    for name, layer in projections(pipeline.unet).items():
        expected = least_squares(layer.weight.detach(), rows, ridge=0.5)
        assert relative_error(erasure.tensors[f"unet.{name}.weight"], expected) < 1e-6
        assert relative_error(layer.weight.detach(), expected) > 1e-3


def test_its_weights_and_anchor_are_settings(tmp_path: Path) -> None:
    settings = {"anchor": "task", "erase_scale": 2.0, "preserve_scale": 0.25, "ridge": 3.0}
    erasure, pipeline = erase(tmp_path, task_of(), **settings)
    rows = [
        (x, y, 2.0 if not torch.equal(x, y) else 0.25) for x, y, _ in brute_force_rows(pipeline, "newer", "a person")
    ]
    name, layer = next(iter(projections(pipeline.unet).items()))
    expected = least_squares(layer.weight.detach(), rows, ridge=3.0)
    assert relative_error(erasure.tensors[f"unet.{name}.weight"], expected) < 1e-6
    assert erasure.record["anchors"] == {"Ada Thorne": "a person", "Bo": "a person"}


@pytest.mark.parametrize(("kept", "scale"), [((), 1.0), (("Cy", "Di Wick", "Ed"), 0.25), (tuple("abcdefghijkl"), 0.1)])
def test_the_older_release_weighs_what_it_keeps_by_their_number(
    tmp_path: Path, kept: tuple[str, ...], scale: float
) -> None:
    task = task_of(keep=kept)
    by_rule, _ = erase(tmp_path, task, release="older")
    by_hand, _ = erase(tmp_path, task, release="older", preserve_scale=scale)
    assert by_rule.digest == by_hand.digest
    assert by_rule.record["kept_prompts"] == [*kept, EMPTY]


def test_with_nothing_kept_the_newer_release_preserves_nothing(tmp_path: Path) -> None:
    task = task_of(keep=())
    assert erase(tmp_path, task)[0].digest == erase(tmp_path, task, preserve_scale=50.0)[0].digest


@pytest.mark.parametrize(
    ("release", "kind", "anchor"),
    [("newer", "person", ""), ("newer", "style", "art"), ("older", "style", " "), ("older", "explicit", " ")],
)
def test_a_released_anchor_follows_release_and_kind(release: str, kind: Kind, anchor: str) -> None:
    assert anchor_of(task_of(kind).concepts[0], UceConfig(release=release)) == anchor  # type: ignore[arg-type]


@pytest.mark.parametrize("release", ["newer", "older"])
def test_the_anchor_art_is_for_every_kind_and_release(tmp_path: Path, release: str) -> None:
    erasure, pipeline = erase(tmp_path, task_of(), release=release, anchor="art")
    assert erasure.record["anchors"] == {"Ada Thorne": "art", "Bo": "art"}
    rows = brute_force_rows(pipeline, release, "art")
    name, layer = next(iter(projections(pipeline.unet).items()))
    expected = least_squares(layer.weight.detach(), rows, ridge=0.5)
    assert relative_error(erasure.tensors[f"unet.{name}.weight"], expected) < 1e-6


@pytest.mark.parametrize("names", [("Ada",), tuple(f"N{number}" for number in range(10))])
def test_any_number_of_concepts_goes_to_the_anchor_in_one_solve(tmp_path: Path, names: tuple[str, ...]) -> None:
    erasure, pipeline = erase(tmp_path, task_of(names=names), anchor="task", ridge=0.01)
    text = TextStates(pipeline)
    anchored = text.encode(["a person"])[0, last(pipeline, "a person")]
    for name, layer in projections(pipeline.unet).items():
        wanted = layer.weight.detach() @ anchored
        for concept in names:
            state = text.encode([concept])[0, last(pipeline, concept)]
            before = (layer.weight.detach() @ state - wanted).norm()
            after = (erasure.tensors[f"unet.{name}.weight"] @ state - wanted).norm()
            assert after < 0.5 * before


def test_it_touches_the_32_projections_of_stable_diffusion_and_nothing_else() -> None:
    names = {f"unet.{name}" for name, _ in sd_unet().named_parameters()}
    method = Uce(UceConfig())
    assert {name for name in names if method.edits(name)} == SD_PROJECTIONS
    assert names > SD_PROJECTIONS and len(SD_PROJECTIONS) == 32
    assert not method.edits("text_encoder.encoder.layers.0.self_attn.k_proj.weight")


def test_it_edits_every_projection_of_the_model_at_hand(tmp_path: Path) -> None:
    erasure, pipeline = erase(tmp_path, task_of())
    assert set(erasure.tensors) == {f"unet.{name}.weight" for name in projections(pipeline.unet)}


def test_without_ridge_the_error_names_the_setting_that_mends_it(tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        erase(tmp_path, task_of(), ridge=0.0)
    assert "uce.ridge" in caught.value.hint and "allow_ill_conditioned" in caught.value.hint
    erasure, _ = erase(tmp_path, task_of(), ridge=0.0, allow_ill_conditioned=True)
    assert erasure.record["condition_numbers"]["uce"] is None or erasure.record["condition_numbers"]["uce"] > 1e12
    assert all(torch.isfinite(value).all() for value in erasure.tensors.values())


def test_a_concept_without_tokens_is_refused(tmp_path: Path) -> None:
    nothing = task_of().concepts[0].model_copy(update={"name": " "})
    with pytest.raises(UserError, match="has no tokens"):
        erase(tmp_path, task_of().model_copy(update={"concepts": (nothing,)}))


def test_a_name_of_too_many_tokens_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="92 tokens"):
        erase(tmp_path, task_of(names=("x" * 90,)))


def test_its_recipes_are_the_two_releases() -> None:
    words: dict[str, Any] = {"world": "stable-diffusion-v1-4", "kind": "person", "n_concepts": 10}
    assert Uce.recipe(**words) == Uce.recipe(**words, variant="newer") == UceConfig()
    assert Uce.recipe(**words, variant="older") == UceConfig(release="older")
    assert Uce.recipe(**{**words, "kind": "style"}, variant="older") == UceConfig(release="older", anchor="art")
    with pytest.raises(UserError, match="Did you mean 'older'"):
        Uce.recipe(**words, variant="oldr")
