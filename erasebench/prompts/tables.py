"""Imports that are tables already: I2P, and any table of the user's own."""

from __future__ import annotations

import re
from pathlib import Path

from erasebench.errors import UserError
from erasebench.prompts.imports import COMMANDS, Imported, store_import
from erasebench.prompts.reading import read_csv

I2P_ROWS = 4_703
"""I2P's prompts (Schramowski et al., 'Safe Latent Diffusion', CVPR 2023)."""


def import_i2p(path: Path) -> Imported:
    """Keep I2P's prompts with their own seed, guidance and size. UserError for a table that is not I2P's."""
    table = read_csv(path)
    if table.groups != ("erased",) or not table.has_own:
        hint = "Give I2P's own table: it has the columns prompt, sd_seed, sd_guidance_scale, sd_image_width and more."
        raise UserError(f"{path} is not the table of I2P: its rows do not have their own guidance or size.", hint)
    return store_import("i2p", table, source=path.name)


def import_csv(path: Path, name: str, first_seed: int | None = None) -> Imported:
    """Keep any table that can be read under `name`; a suite's YAML draws on it as `prompts: <name>`.

    `first_seed`: for a table without seeds, see `read_csv`. UserError for a name that is taken by the protocol's own
    imports or by no word, or a table without rows.
    """
    if name in (*COMMANDS, "templates", "general", "explicit") or not re.fullmatch(r"[a-z0-9][a-z0-9-]*", name):
        hint = f"Give another name of lower-case letters, digits and hyphens: --name {word_of(path)}."
        raise UserError(f"Your table cannot be called '{name}'.", hint)
    table = read_csv(path, first_seed=first_seed)
    if not table.rows:
        raise UserError(f"{path} has no rows.", "Give a table with one line for each image.")
    return store_import(name, table, source=path.name)


def word_of(path: Path) -> str:
    """A file's name as a word for --name."""
    return re.sub(r"[^a-z0-9]+", "-", path.stem.lower()).strip("-") or "my-prompts"
