"""Sampling at Stable Diffusion v1.4's shapes."""

from __future__ import annotations

from itertools import product

import torch

from erasebench.bench.check import NO_TIME, Check, Found
from erasebench.bench.random_model import FULL, TINY, random_pipeline
from erasebench.diffusion.profile import NumericsProfile
from erasebench.diffusion.sampling import Sampler, SampleSpec, numerics
from erasebench.families.precision import in_precision

ON_GPU = (*product(("float16", "bfloat16"), (8, 32)), ("float32", 8))
ON_CPU = (("float32", 2), ("bfloat16", 2))


def sampling(check: Check) -> Found:
    """Images a second through erasebench's sampler, 512 x 512, 50 steps, guidance 7.5, by precision and batch size."""
    asked = ON_CPU if check.device.type == "cpu" else ON_GPU
    return {
        f"{dtype}, batch {batch}": _images(check, dtype, batch) if check.enough(60) else NO_TIME
        for dtype, batch in asked
    }


def _images(check: Check, dtype: str, batch: int) -> Found:
    check.clock.reset_peak()
    pipeline = random_pipeline(check.device, tiny=check.tiny)
    pipeline = pipeline if dtype == "float32" else in_precision(pipeline, dtype)
    settings = TINY if check.tiny else FULL
    profile = NumericsProfile(device_type=check.device.type, dtype=dtype, batch_size=batch)
    specs = [SampleSpec(f"A portrait of the person {at}", at) for at in range(batch)]
    warm = Sampler(pipeline, settings.model_copy(update={"steps": 2}), profile)
    list(warm.images(specs))
    sampler, finite = Sampler(pipeline, settings, profile), 0

    def sample() -> None:
        nonlocal finite
        finite = sum(image is not None for image in sampler.images(specs))

    seconds = check.clock.seconds(sample)
    return {"images/s": round(batch / seconds, 3), "finite": finite, "peak GiB": check.clock.peak_gib()}


def network(check: Check) -> Found:
    """Seconds of one call of the U-Net, both halves of guidance, eager and with its blocks compiled."""
    batch = 2 if check.tiny else 32
    dtype = torch.float32 if check.device.type == "cpu" else torch.bfloat16
    unet = random_pipeline(check.device, tiny=check.tiny).unet.to(dtype)
    side, width = unet.config["sample_size"], unet.config["cross_attention_dim"]
    x = torch.randn(2 * batch, unet.config["in_channels"], side, side, device=check.device, dtype=dtype)
    text = torch.randn(2 * batch, 77, width, device=check.device, dtype=dtype)

    def step() -> None:
        with torch.no_grad():
            unet(x, 500, text)

    def timed() -> Found:
        with numerics(NumericsProfile(device_type=check.device.type, batch_size=batch)):
            first, seconds = check.clock.seconds(step), check.clock.median(step, calls=5)
        return {"dtype": str(dtype), "batch": batch, "seconds": round(seconds, 4), "first call": round(first, 1)}

    found: Found = {"eager": timed() if check.enough(30) else NO_TIME, "blocks compiled": NO_TIME}
    if check.enough(90):
        # Tiny sizes show that the blocks can be traced; a compiler is not needed for that.
        unet.compile_repeated_blocks(**({"backend": "aot_eager"} if check.tiny else {}))
        found["blocks compiled"] = timed()
    return found
