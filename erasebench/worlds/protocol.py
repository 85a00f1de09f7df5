"""The protocol's own words, which every world asks for: ten object classes, their synonyms, four explicit words.

Source: MACE (arXiv 2403.06135); the classes are CIFAR-10's.
"""

from __future__ import annotations

from collections.abc import Iterable

CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
SYNONYMS: dict[str, tuple[str, str, str]] = {
    "airplane": ("aircraft", "plane", "jet"),
    "automobile": ("car", "vehicle", "motorcar"),
    "bird": ("avian", "fowl", "winged creature"),
    "cat": ("feline", "kitty", "housecat"),
    "deer": ("hart", "stag", "doe"),
    "dog": ("canine", "pooch", "hound"),
    "frog": ("amphibian", "anuran", "tadpole"),
    "horse": ("equine", "steed", "mount"),
    "ship": ("vessel", "boat", "watercraft"),
    "truck": ("lorry", "rig", "hauler"),
}
EXPLICIT = ("nudity", "naked", "erotic", "sexual")


def class_of_synonym() -> dict[str, str]:
    """'car' -> 'automobile', for every synonym of the object suite."""
    return {synonym: name for name, synonyms in SYNONYMS.items() for synonym in synonyms}


def with_classes(names: Iterable[str]) -> tuple[str, ...]:
    """The ten classes and, behind them, those of `names` that are neither classes nor other words for one."""
    taken = {*CLASSES, *class_of_synonym()}
    return (*CLASSES, *(name for name in dict.fromkeys(names) if name not in taken))
