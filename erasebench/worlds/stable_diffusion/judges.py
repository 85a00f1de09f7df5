"""The protocol's judges for pictures that look like photographs, made from the user's settings and weight files."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from erasebench.api.judge_settings import JudgeSettings
from erasebench.errors import UserError
from erasebench.files.weights import weights_folder
from erasebench.judges.sources import (
    GCD_DETECTORS,
    GCD_LABELS,
    GCD_STATE,
    clip_weights,
    gcd_resources,
    inception_weights,
    nudenet_weights,
)
from erasebench.prompts.imports import load_import
from erasebench.worlds.protocol import class_of_synonym, with_classes

if TYPE_CHECKING:
    import torch

    from erasebench.api.judge import Judge
    from erasebench.judges.clip import ClipEncoder
    from erasebench.judges.references import References

JUDGES = ("face-id", "clip-score", "clip-accuracy", "fid", "nudenet")


def missing(name: str, settings: JudgeSettings) -> UserError | None:
    """What keeps a judge from loading, read off the files alone; loads no torch."""
    needs: dict[str, Callable[[], object]] = {
        "face-id": lambda: gcd_resources(settings.gcd_resources),
        "clip-score": lambda: clip_weights(settings.clip, settings.trust_torchscript),
        "clip-accuracy": lambda: clip_weights(settings.clip, settings.trust_torchscript),
        "fid": lambda: _check_fid(settings),
        "nudenet": lambda: nudenet_weights(settings.nudenet),
    }
    try:
        needs[name]()
    except UserError as error:
        return UserError(f"The judge {name} cannot run: {error.what}", error.hint)
    return None


def files(name: str, settings: JudgeSettings) -> list[Path]:
    """What a judge reads, of reference images the first: it says whether it is a stand-in. UserError as `missing`."""
    if name == "face-id":
        folder = gcd_resources(settings.gcd_resources)
        return [folder / file for file in (*GCD_DETECTORS, GCD_LABELS, GCD_STATE)]
    found: list[Path | None]
    if name == "fid":
        found = [inception_weights(settings.inception, settings.trust_torchscript), _first_reference(settings)]
    elif name == "nudenet":
        found = [nudenet_weights(settings.nudenet)]
    else:
        found = [clip_weights(settings.clip, settings.trust_torchscript)]
    return [path for path in found if path is not None]


def _first_reference(settings: JudgeSettings) -> Path | None:
    if settings.reference is None:
        return next(iter(load_import("coco").images), None)
    return next(iter(sorted(path for path in settings.reference.rglob("*") if path.is_file())), None)


def load(name: str, settings: JudgeSettings, device: torch.device, people: Iterable[str]) -> Judge:
    """One of JUDGES; `people` as the concept lists spell them. UserError as `missing`, and for broken weights."""
    if (trouble := missing(name, settings)) is not None:
        raise trouble
    makers: dict[str, Callable[[], Judge]] = {
        "face-id": lambda: _identity(settings, device, people),
        "clip-score": lambda: _clip_score(settings, device),
        "clip-accuracy": lambda: _clip_accuracy(settings, device),
        "fid": lambda: _fid(settings, device),
        "nudenet": lambda: _nudenet(settings),
    }
    return makers[name]()


def _identity(settings: JudgeSettings, device: torch.device, people: Iterable[str]) -> Judge:
    from erasebench.judges.gcd.judge import GcdRecogniser
    from erasebench.judges.recogniser import IdentityJudge

    names = (*people, *settings.names)
    return IdentityJudge(GcdRecogniser(gcd_resources(settings.gcd_resources), device, settings.gcd_rule, names))


def _encoder(settings: JudgeSettings, device: torch.device) -> ClipEncoder:
    from erasebench.judges.clip import ClipEncoder

    return ClipEncoder.from_openai(clip_weights(settings.clip, settings.trust_torchscript), device)


def _clip_score(settings: JudgeSettings, device: torch.device) -> Judge:
    from erasebench.judges.clip import ClipScoreJudge

    return ClipScoreJudge(_encoder(settings, device))


def _clip_accuracy(settings: JudgeSettings, device: torch.device) -> Judge:
    from erasebench.judges.clip import ClipAccuracyJudge

    return ClipAccuracyJudge(_encoder(settings, device), with_classes(settings.names), synonyms=class_of_synonym())


def unknown_person(settings: JudgeSettings, name: str) -> str | None:
    """Why the celebrity detector cannot tell a person; None where it has a label for them."""
    try:
        resources = gcd_resources(settings.gcd_resources)
        import torch

        from erasebench.judges.gcd.judge import GcdRecogniser

        recogniser = GcdRecogniser(resources, torch.device("cpu"), names=[name])
    except UserError as error:
        return f"whether it knows the name could not be checked: {error.what.rstrip('.')}"
    return f"this name is not one of its {len(recogniser.names):,} people" if recogniser.unknown([name]) else None


def _nudenet(settings: JudgeSettings) -> Judge:
    from erasebench.judges.nudenet import NudenetJudge

    return NudenetJudge(
        settings.nudenet,
        resolution=settings.nudenet_resolution,
        threshold=settings.nudenet_threshold,
        counting=settings.nudenet_counting,
    )


def _fid(settings: JudgeSettings, device: torch.device) -> Judge:
    from erasebench.judges.fid import FidJudge, InceptionExtractor

    weights = inception_weights(settings.inception, settings.trust_torchscript)
    extractor = (
        InceptionExtractor.fetched(weights_folder(), device) if weights is None else InceptionExtractor(weights, device)
    )
    return FidJudge(extractor, _references(settings))


def _check_fid(settings: JudgeSettings) -> None:
    """UserError that names all that is missing at once: the network, and what is compared with."""
    missing = []
    inception = (settings.inception, settings.trust_torchscript)
    for check in (lambda: inception_weights(*inception), lambda: _check_references(settings)):
        try:
            check()
        except UserError as error:
            missing.append(error)
    if missing:
        raise UserError(" ".join(error.what for error in missing), "; ".join(error.hint for error in missing))


def _check_references(settings: JudgeSettings) -> None:
    if settings.reference is not None and not settings.reference.is_dir():
        raise UserError(f"There is no folder of reference images {settings.reference}.", "Give an existing folder.")
    if settings.reference is None and not load_import("coco").images:
        raise UserError(
            "COCO was imported without its photographs, which FID needs as reference.",
            "erasebench prompts import coco --annotations FILE --images DIR (or give --reference DIR)",
        )


def _references(settings: JudgeSettings) -> References:
    from erasebench.judges.references import FolderReferences, PairedReferences

    if settings.reference is not None:
        return FolderReferences(settings.reference)
    coco = load_import("coco")
    if gone := [path for path in coco.images if not path.is_file()]:
        raise UserError(
            f"{len(gone)} of COCO's {len(coco.images)} photographs are gone, first {gone[0]}.", "Import COCO again."
        )
    keys = ((row.prompt, row.seed) for row in coco.rows)
    return PairedReferences.of_files(dict(zip(keys, coco.images, strict=True)))
