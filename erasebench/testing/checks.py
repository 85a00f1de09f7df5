"""What every method has to do, one function for each; a failure says what was done and what is asked instead."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import get_args

import torch

from erasebench.api.concepts import Kind
from erasebench.api.erasure import Erasure
from erasebench.errors import UserError
from erasebench.identity import role_of
from erasebench.suite.suite import installed_suites
from erasebench.testing.candidate import NAMES, Candidate, specs_of, task_of
from erasebench.testing.fingerprint import difference, fingerprint
from erasebench.testing.workspace import generated_with

KINDS: tuple[Kind, ...] = get_args(Kind)
# The protocol's data-preparation prompts: for objects one reads like the evaluation prompt, with other seeds.
PREPARATION = ("a photo of the {name}", "a photo in the style of {name}")


def declares_its_settings(candidate: Candidate) -> None:
    """Every setting says what it means and whether it decides the result; an unknown recipe is refused."""
    method = candidate.method
    assert method.name and method.name == method.name.lower() and " " not in method.name, (
        f"name is {method.name!r}: folders, --set and the board need lower case without spaces"
    )
    assert method.kinds and method.kinds <= set(KINDS), f"kinds is {set(method.kinds)}: give some of {list(KINDS)}"
    for name, field in method.Config.model_fields.items():
        role_of(method.Config, name)
        assert field.description, f"Config.{name} has no description: identity_field(default, 'what it is')"
    for kind in method.kinds:
        config = method.recipe(world="toy", kind=kind, n_concepts=2)
        assert isinstance(config, method.Config), f"recipe for {kind} gives {type(config).__name__}, not its Config"
    try:
        method.recipe(world="toy", kind=candidate.kind, n_concepts=2, variant="no such recipe")
    except UserError:
        return
    raise AssertionError("recipe accepts any variant: raise UserError for a variant that it does not have")


def restores_the_pipeline(candidate: Candidate) -> None:
    """After `erase` of any kind, and after an erasure was put on, used and taken off, the pipeline is as before."""
    for kind in candidate.kinds:
        seen = candidate.erased(kind)
        _demand_equal(seen.before, seen.after, f"erase left the pipeline changed ({kind})")
    seen = candidate.erased()
    generated_with(seen.erasure, candidate.pipeline, specs_of(candidate.kind))
    _demand_equal(seen.after, fingerprint(candidate.pipeline), "removing the erasure left the pipeline changed")


def edits_only_what_it_declares(candidate: Candidate) -> None:
    """Every changed parameter exists, has its shape, is finite float32 on the CPU, and `edits` says so."""
    known = {
        f"{component}.{name}": parameter
        for component in ("unet", "text_encoder")
        for name, parameter in getattr(candidate.pipeline, component).named_parameters()
    }
    for kind in candidate.kinds:
        method = candidate.method(candidate.config(kind))
        for name, value in candidate.erased(kind).erasure.tensors.items():
            assert name in known, f"the erasure names {name}, which the pipeline does not have"
            assert method.edits(name), f"the erasure changes {name}, but edits({name!r}) is False: declare it"
            assert value.shape == known[name].shape, f"{name} is {list(value.shape)}, not {list(known[name].shape)}"
            assert (value.dtype, value.device.type) == (torch.float32, "cpu"), (
                f"{name} is not a float32 tensor on the CPU"
            )
            assert torch.isfinite(value).all(), f"{name} contains NaN or infinity"


def saves_and_loads_to_identical_images(candidate: Candidate) -> None:
    """The erasure from its files has the same digest and samples the same pixels."""
    erasure, specs = candidate.erased().erasure, specs_of(candidate.kind)
    json.dumps(dict(erasure.record), allow_nan=False)
    erasure.save(candidate.folder("saved"))
    loaded = Erasure.load(candidate.folder("saved"))
    assert loaded.digest == erasure.digest, "the loaded erasure has another digest: some part of it is not saved"
    same = generated_with(loaded, candidate.pipeline, specs) == generated_with(erasure, candidate.pipeline, specs)
    assert same, "the loaded erasure generates other images: everything that decides an image must be in its files"


def is_deterministic_by_seed(candidate: Candidate) -> None:
    """The same seed gives the same erasure: anew, whatever the global random states, and resumed."""
    first = candidate.erased().erasure
    anew = candidate.erased(scratch="anew").erasure
    assert anew.digest == first.digest, "a second run gives another erasure: seed every generator with workspace.seed"
    again = candidate.erase_again(candidate.kind, "first").erasure
    assert again.digest == first.digest, "a resumed run gives another erasure: check what it keeps in workspace.folder"
    specs = specs_of(candidate.kind)
    same = generated_with(first, candidate.pipeline, specs) == generated_with(anew, candidate.pipeline, specs)
    assert same, "equal erasures generate different images: sampling depends on more than the image's own seed"


def never_sees_evaluation_prompts(candidate: Candidate) -> None:
    """No text that the method reads or samples is a prompt that a suite of the kind evaluates it with."""
    suites = installed_suites().values()
    for kind in candidate.kinds:
        seen, names = candidate.erased(kind), [*NAMES[kind], *task_of(kind).keep]
        templates = {template for suite in suites if suite.kind == kind for template in suite.templates}
        asked = {_plain(template.format(name=name)) for template in templates for name in names}
        preparation = {_plain(template.format(name=name)) for template in PREPARATION for name in names}
        generated = {_plain(text) for text in seen.generated}
        read = {_plain(text) for text in seen.heard} - (generated & preparation)
        assert not read & asked, f"the method uses evaluation prompts: {sorted(read & asked)[:3]}; use other prompts"


def fails_clearly_on_a_kind_it_cannot_handle(candidate: Candidate) -> None:
    """Every kind that it declares is erased; any other is refused by name."""
    for kind in KINDS:
        refusal = _refusal(candidate, kind)
        if kind in candidate.method.kinds:
            assert refusal is None, f"{kind} is one of its kinds, but is refused: {refusal}"
            generated_with(candidate.erased(kind).erasure, candidate.pipeline, specs_of(kind))
        else:
            assert refusal is not None, f"{kind} is not one of its kinds, but check_kind('{kind}') does not refuse it"
            assert kind in refusal, f"the refusal of {kind} does not name it: {refusal}"


CHECKS: tuple[Callable[[Candidate], None], ...] = (
    declares_its_settings,
    restores_the_pipeline,
    edits_only_what_it_declares,
    saves_and_loads_to_identical_images,
    is_deterministic_by_seed,
    never_sees_evaluation_prompts,
    fails_clearly_on_a_kind_it_cannot_handle,
)


def _refusal(candidate: Candidate, kind: Kind) -> str | None:
    try:
        candidate.method.check_kind(kind)
    except UserError as error:
        return error.what
    return None


def _demand_equal(before: dict[str, object], after: dict[str, object], what: str) -> None:
    changed = difference(before, after)
    assert not changed, f"{what}: {', '.join(changed[:3])} ({len(changed)} in all). Restore everything that you change."


def _plain(text: str) -> str:
    return " ".join(text.casefold().split())
