"""The rows of docs/performance.md: what each says, what it is compared with, and where its bar is."""

from __future__ import annotations

from typing import Literal, NamedTuple

Unit = Literal["times", "s", "GB", "%"]


class Row(NamedTuple):
    """One row; in every unit but "times", less is better."""

    what: str
    unit: Unit
    bar: float | None
    test: str
    plain: str = ""
    """What a ratio compares with."""
    bar_text: str = ""
    """Where the bar is more than a number: the goal, and the bar on other machines."""
    bar_avx512: float | None = None
    """The bar on a CPU with AVX-512, where it is another."""
    left: str = ""
    """What is left to do, or why the bar cannot be met."""


TESTS = "tests/benchmarks"
ROWS: dict[str, Row] = {
    "fresh-clone": Row(
        what="the README's job in a fresh clone, after the install: `mace` on `celebrity`",
        unit="s",
        bar=180,
        bar_avx512=90,
        bar_text="180 s on two cores with AVX2, 90 s with AVX-512",
        test="python -m tests.benchmarks.fresh_clone",
    ),
    "sampling": Row(
        what="sampling on the miniature, one batch of 32",
        plain="diffusers' own call of the pipeline, same batch",
        unit="times",
        bar=1.6,
        bar_text="1.6x (goal 2.5x), pixels within 1 of 255",
        test=f"{TESTS}/test_sampling_speed.py",
        left=(
            "most of the time is the U-Net's convolutions and products: another memory layout, prepacked weights "
            "or a compiler"
        ),
    ),
    "closed-form-100": Row(
        what="closed form, 100 concepts x 30 prompts, Stable Diffusion v1.4's sizes (MACE's refinement)",
        plain="a loop over layers, concepts and prompts, float32 inverse; measured on two of the concepts and scaled",
        unit="times",
        bar=100,
        test=f"{TESTS}/test_closed_form.py",
        left=(
            "two Gram sums in float64 are nearly all of it, and the plain loop has only 46 times as many operations, "
            "in float32; products in float32 that are summed in float64 would double the ratio"
        ),
    ),
    "closed-form-100-memory": Row(
        what="its peak of memory",
        unit="GB",
        bar=1,
        test=f"{TESTS}/test_closed_form.py",
    ),
    "closed-form-1000-uce": Row(
        what="closed forms, 1,000 concepts, text states given: UCE's solve",
        unit="s",
        bar=600,
        test=f"{TESTS}/test_thousand_concepts.py",
    ),
    "closed-form-1000-refinement": Row(
        what="the same: MACE's refinement, 30 prompts a concept",
        unit="s",
        bar=600,
        test=f"{TESTS}/test_thousand_concepts.py",
        left="the same",
    ),
    "closed-form-1000-fusion": Row(
        what="the same: MACE's fusion of 1,000 LoRAs",
        unit="s",
        bar=600,
        test=f"{TESTS}/test_thousand_concepts.py",
    ),
    "closed-form-1000-memory": Row(
        what="the same: peak of memory at 1,000 concepts less that at 100",
        unit="GB",
        bar=0.1,
        bar_text="flat (0.1 GB)",
        test=f"{TESTS}/test_thousand_concepts.py",
    ),
    "lora-batch": Row(
        what="ten masked LoRAs in one batch, miniature",
        plain="one after another",
        unit="times",
        bar=1.5,
        bar_text="1.5x on two cores, 3x on a GPU",
        test=f"{TESTS}/test_lora_batch.py",
        left="a batch of ten already runs the U-Net once a step; the rest is the U-Net itself",
    ),
    "lora-step": Row(
        what="a LoRA step of ten concepts, miniature",
        plain="the whole U-Net with every attention map, self-attention's too, formed and kept",
        unit="times",
        bar=1.5,
        test=f"{TESTS}/test_lora_step.py",
        left=(
            "97% of the forward pass lies before the last text attention on the miniature, and its maps are "
            "small: what can be saved is the fixed cost of many small calls. At 512 x 512 the maps of self-"
            "attention weigh more"
        ),
    ),
    "nudenet": Row(
        what="NudeNet, 32 images of 512 x 512",
        plain="one image at a time",
        unit="times",
        bar=1.3,
        bar_text="1.3x on two cores, 3x on a GPU",
        test=f"{TESTS}/test_judges.py",
        left=(
            "on a CPU the network gains little from a batch; a fifth of the time is NudeNet's own loop over its boxes "
            "in Python, which could be vectorised, but changes the judge's version"
        ),
    ),
    "clip": Row(
        what="CLIP ViT-B/32 (random weights), 32 images of 512 x 512, with their prompts",
        plain="one image at a time",
        unit="times",
        bar=1.5,
        bar_text="1.5x on two cores, 4x on a GPU",
        test=f"{TESTS}/test_judges.py",
    ),
    "fid-memory": Row(
        what="features for FID, 2,048 wide: peak of memory at 30,000 images less that at 3,000, judging",
        unit="GB",
        bar=0.1,
        bar_text="flat (0.1 GB)",
        test=f"{TESTS}/test_fid_memory.py",
    ),
    "fid-distance-memory": Row(
        what="the same, reading the features back and computing the distance",
        unit="GB",
        bar=0.1,
        bar_text="flat (0.1 GB)",
        test=f"{TESTS}/test_fid_memory.py",
        left=(
            "the features are read as one table, stacked and copied in float64; the covariance could be summed "
            "from file to file"
        ),
    ),
    "overhead": Row(
        what="the harness in a job: `uce` on `celebrity`, 656 images; all but the networks and the method",
        unit="%",
        bar=5,
        test=f"{TESTS}/test_overhead.py",
    ),
    "board": Row(
        what="`board` of 3,000 records, for the first time",
        unit="s",
        bar=20,
        test=f"{TESTS}/test_board.py",
        left="half is reading: JSON, and the check of each record's sums",
    ),
    "board-again": Row(
        what="the same, again",
        unit="s",
        bar=20,
        test=f"{TESTS}/test_board.py",
    ),
    "list": Row(
        what="start-up of `erasebench list`",
        unit="s",
        bar=0.5,
        test=f"{TESTS}/test_start_up.py",
        left="typer and pydantic, and Python itself",
    ),
}
