"""Backgrounds and media: where a picture is set and what it is made with."""

from __future__ import annotations

import cv2
import numpy as np

from .canvas import COLOURS, SCALE, SIZE, Canvas, Colour, Image, shade

PLACES = ("on the grass", "on the beach", "in the street", "in the snow", "in a room", "in the desert")
WEATHERS = ("on a sunny day", "on a cloudy day", "in the rain", "at night", "at sunset")
_GROUND: dict[str, Colour] = {
    "on the grass": (122, 182, 92),
    "on the beach": (238, 214, 160),
    "in the street": (150, 150, 156),
    "in the snow": (240, 244, 250),
    "in a room": (178, 130, 92),
    "in the desert": (226, 176, 112),
    "on the water": (72, 140, 204),
}
_SKY: dict[str, tuple[Colour, Colour]] = {
    "": ((150, 200, 240), (214, 234, 248)),
    "on a sunny day": ((104, 180, 246), (206, 234, 252)),
    "on a cloudy day": ((168, 178, 190), (206, 212, 218)),
    "in the rain": ((112, 124, 142), (160, 170, 184)),
    "at night": ((18, 24, 62), (52, 58, 110)),
    "at sunset": ((240, 122, 84), (252, 206, 128)),
}


def landscape(canvas: Canvas, place: str, weather: str, rng: np.random.Generator, horizon: float) -> None:
    """Sky above `horizon` (in picture units), ground below, with what place and weather call for."""
    top, bottom = _SKY[weather]
    if place == "in a room":
        wall: Colour = (236, 222, 198) if weather != "at night" else (120, 110, 120)
        top = bottom = wall
    canvas.gradient(top, bottom)
    if place != "in a room":
        _weather(canvas, weather, rng, horizon)
    ground = _GROUND[place]
    ground = (
        shade(ground, 0.5) if weather == "at night" else shade(ground, 0.85) if weather == "in the rain" else ground
    )
    if place == "on the beach":
        canvas.rectangle(0, horizon - 7, SIZE, horizon, shade((60, 150, 206), 0.5 if weather == "at night" else 1))
    elif place == "in the street":
        for x in range(0, SIZE, 13):
            height = rng.uniform(8, 20)
            canvas.rectangle(x, horizon - height, x + 11, horizon, shade((150, 130, 130), rng.uniform(0.7, 1.1)))
    elif place == "on the grass":
        canvas.ellipse(rng.uniform(0, SIZE), horizon + 4, 26, 9, shade(ground, 0.85))
    elif place == "in the desert":
        canvas.ellipse(rng.uniform(0, SIZE), horizon + 3, 30, 8, shade(ground, 0.9))
    canvas.rectangle(0, horizon, SIZE, SIZE, ground)
    if place == "in a room":
        canvas.rectangle(0, horizon - 1.2, SIZE, horizon, shade(ground, 0.6))
    if weather == "in the rain":
        for _ in range(16):
            x, y = rng.uniform(0, SIZE, 2)
            canvas.line(x, y, x - 1.5, y + 5, (206, 218, 236), 0.6)


def _weather(canvas: Canvas, weather: str, rng: np.random.Generator, horizon: float) -> None:
    if weather in ("on a sunny day", "at sunset"):
        y = 9 if weather == "on a sunny day" else horizon - 7
        canvas.ellipse(rng.uniform(8, 56), y, 5.5, 5.5, (255, 236, 120))
    elif weather == "at night":
        for _ in range(8):
            canvas.ellipse(rng.uniform(0, SIZE), rng.uniform(0, horizon * 0.8), 0.6, 0.6, (250, 250, 230))
        canvas.ellipse(rng.uniform(8, 56), 9, 4.5, 4.5, (244, 240, 206))
    elif weather in ("on a cloudy day", "in the rain"):
        for _ in range(2):
            x, y = rng.uniform(6, 58), rng.uniform(5, 13)
            for dx in (-6, 0, 6):
                canvas.ellipse(x + dx, y, 6, 3.6, (232, 234, 238) if weather == "on a cloudy day" else (140, 148, 160))


def studio(canvas: Canvas, rng: np.random.Generator) -> None:
    """A softly lit plain wall."""
    base = COLOURS[str(rng.choice(["grey", "blue", "green", "pink", "yellow", "purple", "orange"]))]
    canvas.gradient(shade(base, 1.66), shade(base, 1.35))


def official(canvas: Canvas, rng: np.random.Generator) -> None:
    """The backdrop of an official photo: deep blue with a pale panel and a gold line."""
    canvas.gradient((40, 66, 120), (28, 46, 92))
    x = rng.uniform(4, 8)
    canvas.rectangle(x, 0, SIZE - x, SIZE, (206, 216, 232))
    canvas.rectangle(x, 0, x + 1.2, SIZE, (226, 190, 92))
    canvas.rectangle(SIZE - x - 1.2, 0, SIZE - x, SIZE, (226, 190, 92))


def event(canvas: Canvas, rng: np.random.Generator) -> None:
    """A public event: a dim hall, two spotlights, a crowd of heads."""
    canvas.gradient((52, 40, 74), (88, 66, 104))
    for x in (rng.uniform(4, 14), rng.uniform(50, 60)):
        canvas.polygon([(x - 2, 0), (x + 2, 0), (x + 11, 40), (x - 11, 40)], (126, 108, 150))
        canvas.ellipse(x, 1, 4, 2.5, (255, 244, 190))
    for row, y in enumerate((36, 45, 55)):
        for x in range(-2 + 4 * (row % 2), SIZE + 4, 9):
            colour = shade((150, 116, 110), rng.uniform(0.5, 0.95))
            canvas.ellipse(x + rng.uniform(-1, 1), y + rng.uniform(-1, 1), 3.6, 4.2, colour)
            canvas.ellipse(x, y + 9, 5.5, 5.5, shade(COLOURS[str(rng.choice(["red", "blue", "green", "grey"]))], 0.45))


def oil_painting(pixels: Image, rng: np.random.Generator) -> Image:
    """Oil: colours flattened into dabs that lean one way, a warm varnish and a gilded frame. [S, S, 3] -> [S, S, 3]."""
    size = pixels.shape[0]
    noise = cv2.resize(rng.normal(0, 1, (26, 12)).astype(np.float32), (size, size), interpolation=cv2.INTER_CUBIC)
    grid = np.mgrid[0:size, 0:size].astype(np.float32)
    dx, dy = noise * 2.2, noise * 1.4
    bent = cv2.remap(pixels, grid[1] + dx, grid[0] + dy, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
    flat = cv2.medianBlur(bent, 7).astype(np.float32)
    flat = flat * (1 + 0.09 * noise[..., None]) * np.array([1.0, 0.95, 0.82], np.float32) + np.array(
        [10, 6, 0], np.float32
    )
    painted = np.clip(flat, 0, 255).astype(np.uint8)
    edge = 4 * SCALE
    for inset, colour in ((0, (150, 104, 40)), (edge // 3, (222, 178, 84)), (2 * edge // 3, (120, 80, 32))):
        cv2.rectangle(painted, (inset, inset), (size - 1 - inset, size - 1 - inset), colour, edge // 3 + 2)
    return painted


def sketch(pixels: Image, rng: np.random.Generator) -> Image:
    """A coloured-pencil sketch: dark outlines and pale, hatched colour on paper. [S, S, 3] -> [S, S, 3]."""
    size = pixels.shape[0]
    grey = cv2.GaussianBlur(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY), (0, 0), 1.1).astype(np.float32)
    slope = cv2.magnitude(cv2.Sobel(grey, cv2.CV_32F, 1, 0), cv2.Sobel(grey, cv2.CV_32F, 0, 1))
    line = np.clip((slope - 25) / 110, 0, 1)[..., None]
    grid = np.mgrid[0:size, 0:size].astype(np.float32)
    hatch = 0.5 + 0.5 * np.sin((grid[0] + grid[1] + rng.uniform(0, 20)) * (2 * np.pi / (5 * SCALE)))
    paper = np.array([250, 246, 236], np.float32)
    tint = 0.38 + 0.22 * hatch[..., None]
    drawn = paper * (1 - tint) + pixels.astype(np.float32) * tint
    return np.clip(drawn * (1 - 0.85 * line) + 45 * 0.85 * line, 0, 255).astype(np.uint8)
