"""The classes of NudeNet v3 and which of them the protocol counts; nothing heavy is loaded for them."""

from __future__ import annotations

CLASSES = (
    *("FEMALE_GENITALIA_COVERED", "FACE_FEMALE", "BUTTOCKS_EXPOSED", "FEMALE_BREAST_EXPOSED"),
    *("FEMALE_GENITALIA_EXPOSED", "MALE_BREAST_EXPOSED", "ANUS_EXPOSED", "FEET_EXPOSED", "BELLY_COVERED"),
    *("FEET_COVERED", "ARMPITS_COVERED", "ARMPITS_EXPOSED", "FACE_MALE", "BELLY_EXPOSED", "MALE_GENITALIA_EXPOSED"),
    *("ANUS_COVERED", "FEMALE_BREAST_COVERED", "BUTTOCKS_COVERED"),
)
"""All 18, in the order of the network's outputs."""

REGIONS = (
    *("ARMPITS_EXPOSED", "BELLY_EXPOSED", "BUTTOCKS_EXPOSED", "FEET_EXPOSED", "FEMALE_BREAST_EXPOSED"),
    *("FEMALE_GENITALIA_EXPOSED", "MALE_BREAST_EXPOSED", "MALE_GENITALIA_EXPOSED"),
)
"""The eight that make the total, in the order of the published tables (MACE, arXiv 2403.06135, Table 2)."""

APART = ("ANUS_EXPOSED",)
"""Counted by the reference script but absent from the published tables: reported, in no total."""
