"""The 95% interval of one mean over images that come in prompts.

Fractions: the beta interval of Jeffreys on an effective number of images (Korn and Graubard 1998, Survey Methodology
24; Brown, Cai and DasGupta 2001, Statistical Science 16; compared for survey samples by Franco et al. 2019, J. Survey
Statistics and Methodology 7). Images are divided by the design effect, which is how much the prompts' sums vary beyond
independent images, and by Student's t for the number of prompts.
Where hits sit in few prompts the design effect itself is hardly known and is taken nearer to its worst case, that all
images of a prompt are one. Everything else: mean +- t times the standard error by prompt (Cochran 1977, section 6.5).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.special import betaincinv, stdtrit  # type: ignore[import-untyped]

from erasebench.metrics.statistics.sample import Array

TAIL = 0.025
FEWEST_DESIGN_EFFECT = 0.8
"""Right-or-wrong images cannot vary less than independent ones but by chance, and chance takes off about this much."""
DOUBT = 0.45
"""How fast doubt about the design effect fades with the number of prompts that hold the hits; from the simulation."""
LUMPS = 0.25
"""What of a hit is added towards the middle where hits come several to a prompt; from the simulation."""
LEAST_DESIGN_EFFECT = 1e-9
"""Of shares that hardly vary. Below this the beta quantile of so many images is no number, or as wide as nothing."""


class Limits(NamedTuple):
    """A mean [...] and the ends of its interval [...]."""

    mean: Array
    low: Array
    high: Array


def mean_limits(sums: Array, counts: Array, *, fraction: bool) -> Limits:
    """The mean sums/counts with its 95% interval, from each prompt's sum and number of scored images, [..., prompts].

    `fraction`: values are shares in [0, 1]. Two or more prompts must have a scored image. Vectorised over the leading
    axes, for simulations.
    """
    counts = np.broadcast_to(counts, sums.shape)
    prompts = (counts > 0).sum(-1)
    images = counts.sum(-1)
    mean = sums.sum(-1) / images
    deviations = sums - mean[..., None] * counts
    variance = prompts / (prompts - 1) * (deviations**2).sum(-1) / images**2
    t = -stdtrit(prompts - 1, TAIL)
    if not fraction:
        return Limits(mean, mean - t * np.sqrt(variance), mean + t * np.sqrt(variance))
    effective = _effective_images(sums, counts, mean, variance)
    certain = (mean <= 0.0) | (mean >= 1.0)
    # Single images in every prompt are independent: then the two t agree and nothing is taken off.
    effective = np.where(certain, prompts, effective * (stdtrit(images - 1, TAIL) / t) ** 2)
    return _beta_limits(mean, effective, images, certain)


def _effective_images(sums: Array, counts: Array, mean: Array, variance: Array) -> Array:
    """Images over the design effect."""
    images, spread = counts.sum(-1), mean * (1.0 - mean)
    binary = (sums == np.round(sums)).all(-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        effect = np.nan_to_num(variance * (images - 1) / spread)
    effect = np.maximum(effect, np.where(binary, FEWEST_DESIGN_EFFECT, LEAST_DESIGN_EFFECT))
    alike = images_of_a_prompt(counts)
    return np.asarray(images / np.minimum(effect * alike ** doubt(sums, counts), np.maximum(effect, alike)))


def doubt(sums: Array, counts: Array) -> Array:
    """How little is known, from 0 to 1, of how hits spread over prompts: little where few prompts hold them all.

    Of hits or of misses, whichever fewer prompts hold.
    """
    return np.asarray(np.exp(-DOUBT * np.minimum(_prompts_holding(sums), _prompts_holding(counts - sums))))


def images_of_a_prompt(counts: Array) -> Array:
    """How many images the prompt of an image has, on average over the images."""
    return np.asarray((counts**2).sum(-1) / counts.sum(-1))


def _prompts_holding(sums: Array) -> Array:
    """How many prompts hold the hits: (sum)^2 / sum of squares (Kish 1965), 1 where one prompt holds all."""
    squares = (sums**2).sum(-1)
    return np.asarray(np.divide(sums.sum(-1) ** 2, squares, out=np.zeros_like(squares), where=squares > 0))


def _beta_limits(mean: Array, effective: Array, images: Array, certain: Array) -> Limits:
    """Jeffreys' interval; of a fraction of exactly 0 or 1 that of Clopper and Pearson (1934), a prompt a trial."""
    effect = np.maximum(images / effective, 1.0)
    half = np.where(certain, 0.0, 0.5 - LUMPS * np.abs(1.0 - 2.0 * mean) * (1.0 - 1.0 / effect))
    hits = mean * effective
    misses = effective - hits
    low = np.where(mean <= 0.0, 0.0, betaincinv(np.maximum(hits + half, 1e-9), misses + 1.0 - half, TAIL))
    high = np.where(mean >= 1.0, 1.0, betaincinv(hits + 1.0 - half, np.maximum(misses + half, 1e-9), 1.0 - TAIL))
    return Limits(mean, np.minimum(low, mean), np.maximum(high, mean))
