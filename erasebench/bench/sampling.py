"""Sampling at Stable Diffusion v1.4's shapes."""

from __future__ import annotations

from itertools import product

import torch

from erasebench.bench.check import NO_TIME, Check, Found
from erasebench.bench.random_model import FULL, TINY, random_pipeline
from erasebench.diffusion.compiling import compile_network
from erasebench.diffusion.profile import NumericsProfile
from erasebench.diffusion.sampling import Sampler, SampleSpec, numerics
from erasebench.families.precision import in_precision

ON_GPU = (*product(("float16", "bfloat16"), (8, 32), (False,)), ("float16", 32, True), ("float32", 8, False))
ON_CPU = (("float32", 2, False), ("bfloat16", 2, False), ("float32", 2, True))
"""Precision, batch size, whether the U-Net is compiled."""


def sampling(check: Check) -> Found:
    """Images a second through erasebench's sampler, 512 x 512, 50 steps, guidance 7.5, by precision, batch size and
    compiled or not; the compiler's own time is not in them.
    """
    asked = ON_CPU if check.device.type == "cpu" else ON_GPU
    return {
        f"{dtype}, batch {batch}" + ", compiled" * compiled: (
            _images(check, dtype, batch, compiled) if check.enough(120 if compiled else 60) else NO_TIME
        )
        for dtype, batch, compiled in asked
    }


def _images(check: Check, dtype: str, batch: int, compiled: bool) -> Found:
    check.clock.reset_peak()
    pipeline = in_precision(random_pipeline(check.device, tiny=check.tiny), dtype)
    if compiled:
        compile_network(pipeline.unet, _backend(check))
    settings = TINY if check.tiny else FULL
    profile = NumericsProfile(device_type=check.device.type, dtype=dtype, batch_size=batch, compiled=compiled)
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
    """Seconds of one call of the U-Net, both halves of guidance, eager and compiled."""
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

    found: Found = {"eager": timed() if check.enough(30) else NO_TIME, "compiled": NO_TIME}
    if check.enough(90):
        compile_network(unet, _backend(check))
        found["compiled"] = timed()
    return found


def _backend(check: Check) -> str:
    # Tiny sizes show that the network can be traced; a compiler is not needed for that.
    return "aot_eager" if check.tiny else "inductor"
