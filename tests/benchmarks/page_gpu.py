"""What docs/performance.md says of a GPU: the goals, and what a run by hand measured of them."""

from __future__ import annotations

from typing import Any

OPEN = "open"


def gpu_section(name: str, content: dict[str, Any], folder: str) -> list[str]:
    """The section of one run on a GPU."""
    from tests.benchmarks.page_text import table

    rows = [
        ("sampling, Stable Diffusion v1.4's shapes, 512 x 512, 50 steps", *_sampling(content)),
        ("`mace` on 100 concepts, the same shapes", *_mace(content)),
        ("`uce` on 100 concepts, the same shapes", *_uce(content)),
        ("edits of the miniature against the CPU's, closed forms", *_edits(content, ("uce", "rece"))),
        ("the same, trained methods", *_edits(content, ("mace", "ca", "esd-x"))),
        ("ten masked LoRAs in one batch, the same shapes", *_lora_batch(content)),
        ("CLIP, batch of 64 against one image at a time, float32", *_clip(content)),
        ("NudeNet", "not measured", "3x", OPEN, "run it with onnxruntime's CUDA provider"),
    ]
    return [
        f"## On {content['card']}",
        f"Date: {content['date']}; torch {content['versions']['torch']}, diffusers {content['versions']['diffusers']}; "
        f"one card. The weights of Stable Diffusion's shapes are random. The goals are for one NVIDIA H100. File: "
        f"[{name}]({folder}/{name}).",
        table(("what", "measured", "goal", "met", "left to do"), rows),
        "Command for a new measurement: `uv run python -m erasebench.bench.gpu --out FOLDER`. Put its `check.json` "
        f"into [leaderboard/performance]({folder}/README.md) under a name of its own.",
    ]


Cells = tuple[str, str, str, str]


def _sampling(content: dict[str, Any]) -> Cells:
    shapes = content["stable diffusion v1.4 shapes"]
    through = shapes["sampling, 512 x 512, 50 DDIM steps, guidance 7.5, through Sampler"]
    best, found = max(through.items(), key=lambda item: float(item[1]["images_per_s"]))
    steps = shapes["u-net step by attention kernel and compilation"]
    compiled = max(float(own["images_per_s_50_steps_without_vae"]) for own in steps.values())
    measured = f"{found['images_per_s']:.1f} images/s ({best}); the U-Net alone, compiled: {compiled:.1f}"
    left = "measure `--compiled`, which did not exist then, through the whole sampler"
    return measured, "4 images/s", _met(found["images_per_s"] >= 4), left


def _mace(content: dict[str, Any]) -> Cells:
    erasing = content["stable diffusion v1.4 shapes"]["erasing, float32"]
    if "mace, 100 people" in erasing:
        seconds = erasing["mace, 100 people"]["seconds"]
        return f"{seconds:.0f} s", "180 s", _met(seconds <= 180), "nothing" if seconds <= 180 else "LoRA steps in TF32"
    ten = erasing["mace, 10 people"]["seconds"]
    left = "measure it; ten times the ten concepts' time is above the goal, and TF32 takes 0.4 of float32's LoRA step"
    return f"not measured; 10 concepts: {ten:.0f} s without painting the training images", "180 s", OPEN, left


def _uce(content: dict[str, Any]) -> Cells:
    seconds = content["stable diffusion v1.4 shapes"]["erasing, float32"]["uce, 100 people"]["seconds"]
    return f"{seconds:.1f} s", "2 s", _met(seconds <= 2), "nothing"


def _edits(content: dict[str, Any], methods: tuple[str, ...]) -> Cells:
    differences = content["miniature"]["erasure for ten people, weights against the CPU's"]
    own = {name: float(differences[name]["relative_difference"]) for name in methods}
    met = max(own.values()) <= 1e-5
    left = (
        "nothing"
        if met
        else "training amplifies the last digits of every product; the metrics stay inside the intervals of the CPU's"
    )
    return ", ".join(f"`{name}` {value:.0e}" for name, value in own.items()), "1e-5", _met(met), left


def _lora_batch(content: dict[str, Any]) -> Cells:
    erasing = content["stable diffusion v1.4 shapes"]["erasing, float32"]
    one, ten = (erasing[f"mace, {people}"]["stages"]["MACE: LoRAs"] for people in ("1 person", "10 people"))
    return (
        f"{10 * one / ten:.1f}x",
        "3x",
        _met(10 * one / ten >= 3),
        "nothing" if 10 * one / ten >= 3 else "larger batches",
    )


def _clip(content: dict[str, Any]) -> Cells:
    speeds = content["judges' networks, random weights, images/s"]
    one, batch, half = (
        float(speeds[f"clip torch.{name}"]) for name in ("float32, batch 1", "float32, batch 64", "float16, batch 64")
    )
    met = batch / one >= 4
    left = "nothing" if met else f"half precision gives {half:,.0f} images/s, {half / one:.0f}x, and other scores"
    return f"{batch / one:.1f}x ({batch:.0f} images/s)", "4x", _met(met), left


def _met(is_met: bool) -> str:
    return "yes" if is_met else "**no**"
