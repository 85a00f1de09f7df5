"""Who is in the picture: the face-id judge, over any face recogniser."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

import pandas as pd

from erasebench.api import judge as base
from erasebench.api.judge import NO_FACE, SCORED, Judge, Pixels
from erasebench.files.source import source_digest


class Recognition(NamedTuple):
    """One image's face: `name` is None where no face was found; `confidence` is the top name's probability."""

    name: str | None
    confidence: float


class Recogniser(Protocol):
    """A face recogniser: the miniature's network, or a celebrity detector for Stable Diffusion."""

    @property
    def names(self) -> tuple[str, ...]: ...

    def identity(self) -> dict[str, Any]:
        """Weights digest, thresholds and rules, digest of the source."""

    def recognise(self, images: Sequence[Pixels]) -> list[Recognition]: ...


class IdentityJudge(Judge):
    """Top-1 name among images in which a face was found; an image without one has the outcome "no-face".

    Columns: `predicted` (a name of the recogniser's list), `confidence` (0 to 1). The rule that turns these rows into
    accuracy and no-face rate is the protocol's and lives in `erasebench.judges.recogniser_metrics`.
    """

    name = "face-id"
    columns = ("predicted", "confidence")

    def __init__(self, recogniser: Recogniser) -> None:
        self.recogniser = recogniser

    def identity(self) -> dict[str, Any]:
        return {
            "judge": self.name,
            "recogniser": self.recogniser.identity(),
            "names": len(self.recogniser.names),
            "source": source_digest([base.__name__, __name__]),
        }

    def score(self, images: Sequence[Pixels], rows: pd.DataFrame) -> pd.DataFrame:
        seen = self.recogniser.recognise(images)
        return pd.DataFrame(
            {
                "outcome": [NO_FACE if face.name is None else SCORED for face in seen],
                "predicted": pd.Series([face.name for face in seen], dtype="object"),
                "confidence": pd.Series(
                    [None if face.name is None else face.confidence for face in seen], dtype="float64"
                ),
            }
        )
