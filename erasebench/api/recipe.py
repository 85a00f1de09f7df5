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
from functools import lru_cache
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, JsonValue, RootModel

from erasebench.api.concepts import Kind
from erasebench.identity import digest, file_digest

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

    A class that keeps the name of the one that it derives from has that one's recipes too. UserError, by file and line,
    for a file that is not a valid recipe.
    """
    for path in recipe_files(method, name):
        if (found := _read(path).get(name)) is not None:
            return found.get(world)
    return None


def recipe_digest(method: type, name: str) -> str:
    """Of the recipe files that a method may read."""
    return digest([file_digest(path) for path in recipe_files(method, name)])


def recipe_files(method: type, name: str) -> list[Path]:
    """The recipe files beside the modules that define a method and the classes of its name that it derives from."""
    classes = [each for each in method.__mro__ if getattr(each, "name", None) == name]
    found = [path for each in classes if (path := recipe_file(each)) is not None]
    return list(dict.fromkeys(found))


def recipe_file(method: type) -> Path | None:
    """The recipe file beside the module that defines a class; None where there is none."""
    source = getattr(sys.modules.get(method.__module__), "__file__", None)
    if source is None:
        return None
    module = Path(source)
    beside = [module.with_suffix(f".{FILE}")]
    # A plain recipe.yaml is a package's: beside single files it could be anybody's.
    beside += [module.with_name(FILE)] * module.with_name("__init__.py").is_file()
    return next((path for path in beside if path.is_file()), None)


def _read(path: Path) -> dict[str, dict[str, WorldRecipes]]:
    return _parsed(path, path.stat().st_mtime_ns).root


@lru_cache
def _parsed(path: Path, changed: int) -> RecipeFile:
    from erasebench.files.yaml_file import read_yaml

    file = read_yaml(path, named=f"The recipe file {path}", unreadable="Install the method again.")
    return file.as_model(RecipeFile, "Compare with a recipe file of erasebench's own methods.")
