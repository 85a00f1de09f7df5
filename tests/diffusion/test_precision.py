"""Half precision: what is rounded, what is not, and what auto stands for."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import erasebench
from erasebench.api.world import SamplingDefaults
from erasebench.diffusion.profile import NumericsProfile, chosen_dtype
from erasebench.diffusion.sampling import Sampler, SampleSpec
from erasebench.errors import UserError
from erasebench.families.precision import in_precision
from erasebench.identity import digest
from erasebench.runner.job import plan
from erasebench.runner.outcome import record_identity
from erasebench.runner.request import Request
from erasebench.runner.session import Session
from tests.tiny_model import WIDTH, tiny_pipeline

SETTINGS = SamplingDefaults(steps=3, guidance=4.0, width=WIDTH, height=WIDTH, batch_size=2)
SPECS = [SampleSpec("a portrait of Ann", 1), SampleSpec("a portrait of Bob", 2)]


class Half:
    half_dtype = "bfloat16"


@pytest.mark.parametrize(
    ("asked", "device", "expected"),
    [
        ("auto", "cpu", "float32"),
        ("auto", "cuda", "bfloat16"),
        ("float32", "cuda", "float32"),
        ("float16", "cpu", "float16"),
    ],
)
def test_what_auto_stands_for(asked: str, device: str, expected: str) -> None:
    assert chosen_dtype(asked, device, Half()) == expected


def test_a_precision_that_there_is_not_is_refused() -> None:
    with pytest.raises(UserError, match="--dtype float61 is not possible") as caught:
        erasebench.run("mace", "celebrity", dtype="float61")  # type: ignore[arg-type]
    assert "float16" in caught.value.hint


@pytest.mark.parametrize(("dtype", "largest"), [("bfloat16", 12), ("float16", 3)])
def test_images_are_nearly_those_of_float32_and_the_vae_decodes_in_float32(dtype: str, largest: int) -> None:
    exact = list(Sampler(tiny_pipeline(), SETTINGS, NumericsProfile(batch_size=2)).images(SPECS))
    rounded = in_precision(tiny_pipeline(), dtype)
    kept = {part: next(getattr(rounded, part).parameters()).dtype for part in ("unet", "text_encoder", "vae")}
    half = getattr(torch, dtype)
    assert kept == {"unet": half, "text_encoder": half, "vae": torch.float32}
    found = list(Sampler(rounded, SETTINGS, NumericsProfile(batch_size=2, dtype=dtype)).images(SPECS))
    gaps = [np.abs(a.astype(int) - b.astype(int)).max() for a, b in zip(exact, found, strict=True)]
    assert 0 < max(gaps) <= largest


def test_records_of_two_precisions_have_two_identities_and_one_erasure() -> None:
    jobs = {
        dtype: plan(Request(("uce",), ("celebrity",), baselines="none", dtype=dtype))[0]
        for dtype in ("float32", "bfloat16", "auto")
    }
    session = Session(jobs["float32"].world, "cpu")
    identities = {dtype: record_identity(job, session, None) for dtype, job in jobs.items()}
    assert identities["auto"] == identities["float32"] != identities["bfloat16"]
    erasures = {digest(job.erasure_identity("none")) for job in jobs.values()}
    assert len(erasures) == 1, "methods erase in float32"
    images = [job.image_digests("ab")[0] for job in jobs.values()]
    assert len(set(images)) == 2
