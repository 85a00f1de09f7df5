"""Somebody else's judge: how sharp and how dark an image is."""

import numpy as np
import pandas as pd
from pydantic import Field

from erasebench.api.judge import SCORED, Judge
from erasebench.api.judge_metrics import JudgeConfig
from erasebench.files.source import source_digest
from erasebench.metrics.of_columns import ColumnMeans


class SharpnessConfig(JudgeConfig):
    dark_below: float = Field(default=100.0, ge=0, le=255, description="mean level of an image that counts as dark")


class Sharpness(Judge):
    name = "sharpness"
    columns = ("sharpness", "dark")
    Config = SharpnessConfig
    metrics = ColumnMeans(sharpness="points", dark="fraction")

    def __init__(self, config=None):
        self.config = config or SharpnessConfig()

    @classmethod
    def open(cls, config, device):
        return cls(config)

    def identity(self):
        return {"judge": self.name, "source": source_digest([__name__]), **self.config.model_dump()}

    def score(self, images, rows):
        edges = [float(np.abs(np.diff(image.astype(float), axis=0)).mean()) for image in images]
        dark = [float(image.mean() < self.config.dark_below) for image in images]
        return pd.DataFrame({"outcome": SCORED, "sharpness": edges, "dark": dark})
