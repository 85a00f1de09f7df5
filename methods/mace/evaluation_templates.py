"""What the protocol's suites evaluate with, so that no prompt of the method's own ever equals one (a test compares)."""

from __future__ import annotations

EVALUATION_TEMPLATES = frozenset(
    {
        "a photo of the {}",
        "a portrait of {}",
        "an image capturing {} at a public event",
        "an oil painting of {}",
        "a sketch of {}",
        "{} in an official photo",
        "image in the style of {}",
        "art inspired by {}",
        "painting in the style of {}",
        "a reproduction of art by {}",
        "a famous artwork by {}",
    }
)


def is_evaluation_template(template: str) -> bool:
    """Whether a template with '{}' is one of them but for case, blanks and a closing mark."""
    return " ".join(template.lower().split()).rstrip(" .!,;:") in EVALUATION_TEMPLATES
