"""A method's recipes: settings that were chosen for a world, in one frozen file beside the method.

    uce.recipe.yaml beside uce.py, or recipe.yaml in a package that is the method:

    my-method:
      miniature:
        split: miniature-validation
        kinds:
          person: {trials: 6, settings: {learning_rate: 0.02}}

Who ships such a file with a method of their own says how it was tuned as ours do; without one it is 'untuned'.
"""

from __future__ import annotations

import sys
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, JsonValue, RootModel

from erasebench.api.concepts import Kind
from erasebench.files.yaml_file import read_yaml

FILE = "recipe.yaml"


class KindRecipe(BaseModel):
    """What was chosen for one kind: the settings that differ from the method's own, and among how many trials."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    trials: int = Field(ge=0)
    settings: dict[str, JsonValue] = Field(default_factory=dict)


class WorldRecipes(BaseModel):
    """A method's recipes in one world; `split`: the world whose images the trials were judged on."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    split: str = Field(min_length=1)
    kinds: dict[Kind, KindRecipe]

    def settings(self, kind: Kind) -> dict[str, Any]:
        """The chosen settings of a kind; a kind that nothing was tried on takes over what was chosen on people."""
        found = self.kinds.get(kind) or self.kinds.get("person")
        return dict(found.settings) if found else {}

    def trials(self, kind: Kind) -> int:
        """How many trials were made on a kind itself."""
        return self.kinds[kind].trials if kind in self.kinds else 0


class RecipeFile(RootModel[dict[str, dict[str, WorldRecipes]]]):
    """The recipes of the methods that a file defines: by method, then by world."""


def recipes_of(method: type, name: str, world: str) -> WorldRecipes | None:
    """The recipes of a method (its class and registered name) in a world; None where no file beside it has any.

    UserError, by file and line, for a file that is no recipe.
    """
    path = recipe_file(method)
    return None if path is None else _read(path).root.get(name, {}).get(world)


def recipe_file(method: type) -> Path | None:
    """The recipe file beside the module that defines a method; None where there is none."""
    source = getattr(sys.modules.get(method.__module__), "__file__", None)
    if source is None:
        return None
    module = Path(source)
    beside = (module.with_suffix(f".{FILE}"), module.with_name(FILE))
    return next((path for path in beside if path.is_file()), None)


@cache
def _read(path: Path) -> RecipeFile:
    file = read_yaml(path, named=f"The recipe file {path}", unreadable="Install the method again.")
    return file.as_model(RecipeFile, "Compare with a recipe file of erasebench's own methods.")
