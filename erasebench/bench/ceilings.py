"""What everything else is a share of."""

from __future__ import annotations

import torch

from erasebench.bench.check import Check, Found
from erasebench.diffusion.profile import NumericsProfile
from erasebench.diffusion.sampling import numerics

DTYPES = {"float32": torch.float32, "tf32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


def ceilings(check: Check) -> Found:
    """TFLOP/s of large products by dtype, and GB/s of a copy, reading and writing."""
    found: Found = {}
    for name in DTYPES:
        if check.device.type != "cpu" or name not in ("tf32", "float16"):
            found[f"{name}, TFLOP/s"] = _product(check, name, 256 if check.tiny else 8192)
    block = torch.empty((16 if check.tiny else 4096) * 2**20, dtype=torch.uint8, device=check.device)
    found["copy, GB/s"] = round(2 * block.numel() / check.clock.median(block.clone) / 1e9, 1)
    return found


def _product(check: Check, name: str, n: int) -> float:
    profile = NumericsProfile(device_type=check.device.type, batch_size=1, tf32=name == "tf32")
    with numerics(profile):
        a = torch.randn(n, n, device=check.device, dtype=DTYPES[name])
        return round(2 * n**3 / check.clock.median(lambda: a @ a) / 1e12, 3)
