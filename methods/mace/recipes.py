"""MACE's settings, by world, kind and number of concepts; published ones from the released configurations."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from erasebench.api.concepts import Kind

from .config import MaceConfig

# w by the number of people erased (released configurations).
DOMAIN_WEIGHT = {1: 8e3, 5: 5e4, 10: 8e4, 100: 2e5}
# l of the released object runs; p is zero in all of them.
OBJECT_RIDGE = {"ship": 1e3, "automobile": 1e2, "bird": 10.0}

# The released path applies p twice in the refinement: 1e-4 acts as 1e-8 there, 7e-7 as 4.9e-13.
PUBLISHED: Mapping[Kind, Mapping[str, Any]] = {
    "object": {
        "learning_rate": 1e-5,
        "prior_weight_refinement": 0.0,
        "prior_weight_fusion": 0.0,
        "ridge_refinement": OBJECT_RIDGE["automobile"],
        "ridge_fusion": OBJECT_RIDGE["automobile"],
    },
    "person": {
        "prior_weight_refinement": 1e-8,
        "prior_weight_fusion": 1e-4,
        "ridge_refinement": 0.0,
        "ridge_fusion": 0.0,
    },
    "style": {
        "prior_weight_refinement": 1e-8,
        "prior_weight_fusion": 1e-4,
        "ridge_refinement": 0.0,
        "ridge_fusion": 0.0,
        "domain_weight": 8e4,
    },
    "explicit": {
        "learning_rate": 1e-5,
        "steps": 120,
        "prior_weight_refinement": 4.9e-13,
        "prior_weight_fusion": 7e-7,
        "ridge_refinement": 0.0,
        "ridge_fusion": 0.0,
        "domain_weight": 0.0,
        "focal_sampling": False,
    },
}

# Quirks of the released code that no published value can be had without.
AS_RELEASED = {"image_normalisation": "imagenet", "common_tokens": "ids", "allow_ill_conditioned": True}

# Ours: as published, with a ridge of 1 in place of 0, which keeps both solves away from singular.
OUR_RIDGE = 1.0

# Sampling as the world does it: its own steps, guidance and DDIM.
MINIATURE: Mapping[str, Any] = {
    "data_steps": None,
    "data_guidance": None,
    "data_scheduler": "ddim",
    "domain_prompts": 10,
}
# Whatever trials do not compare.
MINIATURE_BY_KIND: Mapping[Kind, Mapping[str, Any]] = {
    "object": {},
    # The tail paints the anchor after refinement, so only the name's own tokens are suppressed: with use_pooler nothing
    # is left to paint a face from.
    "person": {"use_pooler": False},
    "style": {},
    "explicit": {},
}
# Trials on names are at ten. The words that all prompts share weigh more in the concepts' sums with every name, so the
# prior and the refinement's l are proportional to the number of names (README.md).
TRIED_NAMES = 10


def released_runs(kind: Kind) -> dict[str, str]:
    """The variants of a kind besides 'default', and for objects the class that each run erased."""
    released = {"as-released": "automobile"}
    return released | {"as-released-ship": "ship", "as-released-bird": "bird"} if kind == "object" else released


def recipe(
    *,
    world: str,
    kind: Kind,
    n_concepts: int,
    variant: str = "default",
    chosen: Mapping[str, Any] = MappingProxyType({}),
) -> MaceConfig:
    """The settings for a world, kind and number of concepts; `chosen`: what the trials in the miniature chose.

    Variants: 'default'; 'as-released' (the effective values and quirks of the released code; for objects the run on
    'automobile'); 'as-released-ship', 'as-released-bird' (objects). In the miniature those have the quirks, and the
    rest is scaled as the default's is: with the published rates nothing would be learnt there.
    """
    settings = dict(PUBLISHED[kind])
    if kind == "person":
        settings["domain_weight"] = _nearest_scale(n_concepts)
    if variant == "default" or world == "miniature":
        settings["ridge_refinement"] = settings["ridge_refinement"] or OUR_RIDGE
        settings["ridge_fusion"] = settings["ridge_fusion"] or OUR_RIDGE
    if world == "miniature":
        settings |= {**MINIATURE, **MINIATURE_BY_KIND[kind], **chosen}
        if kind in ("person", "style"):
            ratio = n_concepts / TRIED_NAMES
            settings["ridge_refinement"] *= ratio
            settings["prior_weight_refinement"] *= ratio
            settings["prior_weight_fusion"] *= ratio
    if variant != "default":
        settings |= AS_RELEASED
        if kind == "object":
            ratio = OBJECT_RIDGE[released_runs(kind)[variant]] / OBJECT_RIDGE["automobile"]
            settings["ridge_refinement"] *= ratio
            settings["ridge_fusion"] *= ratio
    return MaceConfig(**settings)


def _nearest_scale(n_concepts: int) -> float:
    """w of the smallest published run with at least as many people, or of the largest."""
    return next((weight for scale, weight in DOMAIN_WEIGHT.items() if scale >= n_concepts), DOMAIN_WEIGHT[100])
