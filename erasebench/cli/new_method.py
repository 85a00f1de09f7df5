"""erasebench new-method: a working erasure method in one file, with its test, to start from."""

from __future__ import annotations

import keyword
import re
from pathlib import Path
from typing import Annotated

import typer

from erasebench.errors import UserError

START = Path(__file__).parent / "start"
"""The method and its test as they lie there, under the name 'new-method': they are checked like all other source."""
SLUG = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")


def new_method(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The method's name: lower-case words joined by '-'.")],
    out: Annotated[Path, typer.Option("--out", help="Folder for the two files.")] = Path(),
) -> None:
    """Write a working method to start from, and its test."""
    from erasebench.files.atomic import write_text

    names = checked(name)
    method, test = (out / f"{stem}{names['new_method']}.py" for stem in ("", "test_"))
    for path in (method, test):
        if path.exists():
            raise UserError(f"{path} exists already.", "Give another name or another folder (--out).")
    for path, start in ((method, "new_method.py"), (test, "test_new_method.py")):
        text = (START / start).read_text(encoding="utf-8")
        for placeholder, own in names.items():
            text = text.replace(placeholder, own)
        write_text(path, text)
    print(f"Method: {method}")
    print(f"Test:   {test}")
    print("Try it:")
    print(f"  uv run python -m pytest {test}")
    print(f"  uv run erasebench run --method {method}:{names['NewMethod']} --suite celebrity --limit 10")
    print("The comments in it and docs/adding-a-method.md in erasebench's repository explain each part.")


def checked(name: str) -> dict[str, str]:
    """The method's name, module and class by the start's own. UserError for a name that cannot be, or is taken."""
    from erasebench.api.method import METHODS

    if not SLUG.fullmatch(name):
        raise UserError(
            f"'{name}' cannot be the name of a method.", "Use lower case letters and digits, words joined by '-'."
        )
    if name in METHODS.names():
        raise UserError(f"There is a method '{name}' already: {METHODS.origin(name)}.", "Give another name.")
    module, class_name = name.replace("-", "_"), "".join(word.capitalize() for word in name.split("-"))
    words = set(re.findall(r"\w+", (START / "new_method.py").read_text(encoding="utf-8")))
    if keyword.iskeyword(module) or (name != "new-method" and {class_name, f"{class_name}Config"} & words):
        raise UserError(f"'{name}' has another meaning in Python or erasebench.", "Give another name.")
    return {"new-method": name, "new_method": module, "NewMethod": class_name}
