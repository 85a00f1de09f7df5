"""Judges on many images at once against one image at a time, in one run."""

from __future__ import annotations

from statistics import median

import numpy as np
import open_clip
import pandas as pd
import pytest
import torch
from pytest_benchmark.fixture import BenchmarkFixture

from erasebench.api.judge import Judge, Pixels
from erasebench.judges.clip import OPENAI_MODEL, ClipEncoder, ClipScoreJudge
from erasebench.judges.nudenet import NudenetJudge
from erasebench.worlds.miniature import painter
from tests.benchmarks.measure import Pairs, gflop_of, in_turn, put

SIDE, IMAGES = 512, 32


def pictures(n: int) -> list[Pixels]:
    """Drawn people, enlarged, so that there is something to find."""
    rng = np.random.default_rng(0)
    drawn = [painter.paint_person(None, 0, rng).image for _ in range(n)]
    return [np.ascontiguousarray(np.kron(image, np.ones((SIDE // 64, SIDE // 64, 1), np.uint8))) for image in drawn]


def compared(benchmark: BenchmarkFixture, judge: Judge, n: int) -> Pairs:
    images, rows = pictures(n), pd.DataFrame({"prompt": [f"a portrait of person {at}" for at in range(n)]})

    def together() -> pd.DataFrame:
        return judge.judge(images, rows)

    def one_at_a_time() -> pd.DataFrame:
        return pd.concat(judge.judge([image], rows.iloc[[at]]) for at, image in enumerate(images))

    pairs: Pairs = benchmark.pedantic(in_turn, args=(one_at_a_time, together), rounds=1)
    return pairs


@pytest.mark.slow
def test_nudenet(benchmark: BenchmarkFixture) -> None:
    pairs = compared(benchmark, NudenetJudge(), IMAGES)
    put(benchmark, "nudenet", pairs.ratios, seconds=pairs.seconds)
    pd.testing.assert_frame_equal(pairs.ours[-1].result, pairs.plain[-1].result)
    assert median(pairs.ratios) > 0.5


@pytest.mark.slow
def test_clip(benchmark: BenchmarkFixture) -> None:
    torch.manual_seed(0)
    model, _, transform = open_clip.create_model_and_transforms(OPENAI_MODEL)
    tokenizer = open_clip.get_tokenizer(OPENAI_MODEL)
    judge = ClipScoreJudge(ClipEncoder("random", model, tokenizer, transform, torch.device("cpu")))
    pairs = compared(benchmark, judge, IMAGES)
    one = pictures(1)
    per_image = gflop_of(lambda: (judge.encoder.images(one), judge.encoder.texts(["a portrait of person 0"])))
    put(benchmark, "clip", pairs.ratios, seconds=pairs.seconds, gflop=IMAGES * per_image)
    ours, plain = pairs.ours[-1].result, pairs.plain[-1].result
    np.testing.assert_allclose(ours["clip_score"].astype(float), plain["clip_score"].astype(float), atol=1e-3)
    assert median(pairs.ratios) > 0.5
