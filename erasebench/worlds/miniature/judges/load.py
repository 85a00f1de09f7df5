"""The miniature's judges by name, from its folder of weights."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import torch

from erasebench.api.judge import Judge
from erasebench.api.judge_settings import JudgeSettings
from erasebench.judges.clip import ClipAccuracyJudge, ClipScoreJudge
from erasebench.judges.fid import FidJudge
from erasebench.judges.nudenet import NudenetJudge
from erasebench.judges.recogniser import IdentityJudge
from erasebench.judges.references import FolderReferences, References
from erasebench.worlds.miniature.painter.captions import STYLE
from erasebench.worlds.miniature.references import painted_references
from erasebench.worlds.protocol import class_of_synonym, with_classes

from .attributes import AttributeJudge
from .clip import ArtistAccuracyJudge, miniature_clip
from .detector import FILE, RESOLUTION
from .features import MiniatureFeatures
from .recogniser import MiniatureRecogniser


def load_judge(
    name: str, folder: Path, device: torch.device, settings: JudgeSettings, artists: Sequence[str] = ()
) -> Judge:
    """A judge from `folder`. Of the settings, the thresholds, rules and reference count; the weights are the world's.

    `artists` are the classes of artist-accuracy. UserError for weights that are missing or broken.
    """
    makers: dict[str, Callable[[], Judge]] = {
        "face-id": lambda: IdentityJudge(MiniatureRecogniser(folder, device)),
        "attributes": lambda: AttributeJudge(folder, device),
        "clip-score": lambda: ClipScoreJudge(miniature_clip(folder, device)),
        "clip-accuracy": lambda: ClipAccuracyJudge(
            miniature_clip(folder, device), with_classes(settings.names), synonyms=class_of_synonym()
        ),
        "artist-accuracy": lambda: ArtistAccuracyJudge(miniature_clip(folder, device), artists, STYLE[0]),
        "fid": lambda: FidJudge(MiniatureFeatures(folder, device), _references(settings)),
        "nudenet": lambda: NudenetJudge(
            folder / FILE,
            resolution=RESOLUTION,
            threshold=settings.nudenet_threshold,
            counting=settings.nudenet_counting,
        ),
    }
    return makers[name]()


def _references(settings: JudgeSettings) -> References:
    return painted_references() if settings.reference is None else FolderReferences(settings.reference)
