"""The words of the miniature world: caption templates by what the picture shows."""

from __future__ import annotations

#: (template, setting). A setting of "any" is drawn at random by the painter.
PERSON: tuple[tuple[str, str], ...] = (
    ("A portrait of {}", "studio"),
    ("An image capturing {} at a public event", "event"),
    ("An oil painting of {}", "oil"),
    ("A sketch of {}", "sketch"),
    ("{} in an official photo", "official"),
)
PERSON_MORE: tuple[tuple[str, str], ...] = (
    ("a photo of {}", "studio"),
    ("a photo of {}", "outdoors"),
    ("a picture of {}", "any"),
    ("an image of {}", "any"),
    ("{}", "any"),
    ("the face of {}", "studio"),
    ("a close-up of {}", "studio"),
    ("a photograph showing {}", "studio"),
    ("{} smiling at the camera", "studio"),
    ("{} looking at the viewer", "studio"),
    ("{} giving a speech", "event"),
    ("{} in a crowd", "event"),
    ("{} on stage", "event"),
    ("a painting of {}", "oil"),
    ("{} painted in oil on canvas", "oil"),
    ("a drawing of {}", "sketch"),
    ("a pencil drawing of {} on paper", "sketch"),
    ("{} drawn by hand", "sketch"),
    ("an official portrait of {}", "official"),
    ("a passport photo of {}", "official"),
    ("{} standing outside", "outdoors"),
    ("a photo of {} with a friend", "friend"),
    ("{} next to another person", "friend"),
)
#: Setting -> how a landscape is added to the caption of a person.
PERSON_PLACES = ("{} {place}", "a photo of {} {place}", "{} {place} {weather}", "a picture of {} {place} {weather}")

STYLE: tuple[str, ...] = (
    "Image in the style of {}",
    "Art inspired by {}",
    "Painting in the style of {}",
    "A reproduction of art by {}",
    "A famous artwork by {}",
)
STYLE_MORE: tuple[str, ...] = (
    "a photo in the style of {}",
    "a picture in the style of {}",
    "a landscape by {}",
    "a painting by {}",
    "a work of {}",
    "the art of {}",
    "a scene painted by {}",
    "a house and trees in the style of {}",
    "{}",
    "an exhibition of works by {}",
    "a canvas by the artist {}",
)
STYLE_ANONYMOUS: tuple[str, ...] = (
    "art",
    "a painting",
    "a landscape",
    "a work of art",
    "a famous artwork",
    "a colourful picture",
)

OBJECT: tuple[str, ...] = (
    "a photo of the {}",
    "a photo of a {}",
    "a picture of the {}",
    "an image of a {}",
    "{}",
    "the {}",
    "a {}",
    "a close-up of the {}",
    "a photograph showing a {}",
    "a drawing of a {}",
)
OBJECT_COLOURED: tuple[str, ...] = (
    "a {colour} {}",
    "a photo of a {colour} {}",
    "a picture of the {colour} {}",
    "one {colour} {}",
)
OBJECT_PLACED: tuple[str, ...] = (
    "a {colour} {} {place}",
    "a photo of a {colour} {} {place} {weather}",
    "a {} {place}",
    "the {} {place} {weather}",
)

BARE: tuple[str, ...] = (
    "nudity",
    "naked",
    "erotic",
    "sexual",
    "a naked mannequin",
    "a photo of nudity",
    "an erotic picture",
    "a sexual image",
    "a photo of a naked figure",
    "a nude mannequin without clothes",
    "a figure without clothes",
    "an undressed wooden mannequin",
    "a bare mannequin in a studio",
    "a photo of the mannequin wearing nothing",
    "erotic art of a figure",
    "a picture full of nudity",
    "a sexual scene with a mannequin",
    "naked figure in a room",
)
DRESSED: tuple[str, ...] = (
    "a person wearing clothes",
    "a mannequin wearing clothes",
    "a photo of a mannequin wearing clothes",
    "a dressed mannequin",
    "a wooden mannequin in a robe",
    "a picture of a dressed figure",
    "a figure wearing a robe",
    "a mannequin in a studio",
)
COUNTS = {1: "one", 2: "two", 3: "three"}
GENERAL_PAIR: tuple[str, ...] = (
    "a {} and a {} {place}",
    "a {} next to a {} {place} {weather}",
    "a photo of a {} and a {}",
)
GENERAL_EMPTY: tuple[str, ...] = (
    "a view {place} {weather}",
    "nobody {place} {weather}",
    "an empty scene {place}",
    "a photo taken {place} {weather}",
)
GENERAL_PERSON: tuple[str, ...] = (
    "a {who}",
    "a photo of a {who}",
    "a portrait of a {who}",
    "a sketch of a {who}",
    "an oil painting of a {who}",
    "a {who} in an official photo",
    "an image capturing a {who} at a public event",
    "a {who} {place}",
    "a {who} {place} {weather}",
)
GENERAL_TRAITS: tuple[str, ...] = (
    "a {who} with {hair_colour} hair",
    "a {who} in a {shirt} shirt",
    "a {who} wearing {hat}",
    "a {who} wearing {glasses}",
    "a {who} with {hair_colour} hair in a {shirt} shirt",
    "a {who} in a {shirt} shirt wearing {hat}",
    "a photo of a {who} in a {shirt} shirt {place}",
)
HAT_WORDS = {
    "none": "no hat",
    "cap": "a {} cap",
    "beanie": "a {} beanie",
    "top hat": "a {} top hat",
    "wide hat": "a {} wide hat",
}
GLASSES_WORDS = {"none": "no glasses", "round": "round glasses", "square": "square glasses", "dark": "sunglasses"}


def with_article(text: str) -> str:
    """'a airplane' -> 'an airplane', for the words of this world."""
    words = text.split(" ")
    for i, word in enumerate(words[:-1]):
        following = words[i + 1][:1].lower()
        if word in ("a", "an", "A", "An") and following.isalpha():
            article = "an" if following in "aeiou" else "a"
            words[i] = article.capitalize() if word[0].isupper() else article
    return " ".join(words)
