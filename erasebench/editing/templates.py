"""The prompts that methods build on and train with. None of them is an evaluation template of any suite."""

from __future__ import annotations

from erasebench.api.concepts import Kind

# One list for objects, people and explicit words: no article before the phrase, so that a name and a noun both fit.
SUBJECT_TEMPLATES: tuple[str, ...] = (
    "{} in the morning light",
    "A close-up of {}",
    "A picture of {} in a garden",
    "{} in front of a plain wall",
    "A drawing of {} on paper",
    "{} seen from the side",
    "A black and white picture of {}",
    "{} at the beach in summer",
    "A watercolor of {}",
    "{} in the city at night",
    "A poster that shows {}",
    "A studio shot of {}",
    "{} in the rain",
    "An old photograph of {}",
    "A cartoon of {}",
    "{} on the cover of a magazine",
    "A bright image of {}",
    "{} in a green field",
    "A pencil drawing of {}",
    "{} under a blue sky",
    "A snapshot of {} on a street",
    "The best picture of {}",
    "{} in the snow",
    "A colorful mural of {}",
    "{} in a museum",
    "A blurry photo of {}",
    "A stamp with {} on it",
    "{} behind a window",
    "A detailed illustration of {}",
    "A small picture of {} in a frame",
)

STYLE_TEMPLATES: tuple[str, ...] = (
    "A landscape by {}",
    "A city street as {} would paint it",
    "A still life by {}",
    "A drawing by {}",
    "A garden painted by {}",
    "A house in the manner of {}",
    "A canvas by {} in a museum",
    "The sea as seen by {}",
    "A print by {} on a wall",
    "A picture of a tree by {}",
    "The brush strokes of {}",
    "A mountain view by {}",
    "An early work of {}",
    "A late painting by {}",
    "A poster with art by {}",
    "The colors of {}",
    "A sketchbook page by {}",
    "A boat on a lake by {}",
    "A study by {}",
    "A crowd painted by {}",
    "A bowl of fruit by {}",
    "A bridge in the manner of {}",
    "A quiet room by {}",
    "A masterpiece by {}",
    "A night sky by {}",
    "Flowers painted by {}",
    "A village as {} saw it",
    "A small canvas by {}",
    "A scene from the hand of {}",
    "An exhibition of {}",
)


def built_in_templates(kind: Kind) -> tuple[str, ...]:
    """The thirty templates for a kind; '{}' stands for the phrase."""
    return STYLE_TEMPLATES if kind == "style" else SUBJECT_TEMPLATES


def data_prompt(kind: Kind, name: str) -> str:
    """The prompt of a concept's training images (the protocol's data preparation)."""
    return f"a photo in the style of {name}" if kind == "style" else f"a photo of the {name}"
