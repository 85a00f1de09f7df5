"""Versions of the packages that a result rests on."""

from __future__ import annotations

import platform
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version

NUMERIC_PACKAGES = ("torch", "diffusers", "transformers")
"""Their versions decide pixels, so they are part of an image's identity."""
RECORDED_PACKAGES = (
    *("erasebench", *NUMERIC_PACKAGES, "torchvision", "peft", "open-clip-torch", "clean-fid", "nudenet"),
    *("numpy", "scipy", "pandas", "pillow", "safetensors", "scikit-learn", "opencv-python-headless", "onnxruntime"),
)


@lru_cache
def installed_packages() -> dict[str, str]:
    """Versions of what is recorded, and of Python."""
    versions = {"python": platform.python_version()}
    for name in RECORDED_PACKAGES:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            versions[name] = "not installed"
    return versions
