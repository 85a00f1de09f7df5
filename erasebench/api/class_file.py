"""A class of the user's own, in a Python file that is given by path: loaded once, its mistakes named by line."""

from __future__ import annotations

import importlib.util
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from types import ModuleType

from erasebench.errors import UserError, did_you_mean
from erasebench.identity import file_digest

FILE_MODULE = "erasebench_file_"
"""How the module of a file given by path begins; 8 hex digits of the path and the file's name follow."""
_GIVE = "Give the class as path/to/file.py:Class."
_DIGEST = "_erasebench_digest"


def class_in_file(path: Path, name: str) -> type:
    """The class `name` in the file. UserError, by file and line, for whatever goes wrong as the file is read: a script
    that ends the program is no exception."""
    module = _loaded(path)
    loaded = getattr(module, name, None)
    if not isinstance(loaded, type):
        classes = [key for key, value in vars(module).items() if isinstance(value, type)]
        raise UserError(f"{path} has no class {name}.", did_you_mean(name, classes))
    return loaded


def module_name(path: Path) -> str:
    """Of a file as a module: two files of one name in two folders are two modules."""
    return f"{FILE_MODULE}{sha256(str(path.resolve()).encode('utf-8', 'surrogateescape')).hexdigest()[:8]}_{path.stem}"


def _loaded(path: Path) -> ModuleType:
    """The file's module, the same as long as the file is."""
    place = path.expanduser().absolute()
    if not place.is_file():
        raise UserError(f"There is no file {path}.", _GIVE)
    name = module_name(place)
    try:
        digest = file_digest(place)
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}.", _GIVE) from error
    known = sys.modules.get(name)
    if known is not None and getattr(known, _DIGEST, None) == digest:
        return known
    spec = importlib.util.spec_from_file_location(name, place)
    if spec is None or spec.loader is None:
        raise UserError(f"{path} is not a Python file.", _GIVE)
    module = importlib.util.module_from_spec(spec)
    # Dataclasses and pydantic look their own module up by name while the class body runs.
    sys.modules[name] = module
    try:
        with _words_of_its_own(place):
            spec.loader.exec_module(module)
    except BaseException as error:
        del sys.modules[name]
        if isinstance(error, KeyboardInterrupt):
            raise
        raise _wrong(error, path, place) from error
    setattr(module, _DIGEST, digest)
    return module


@contextmanager
def _words_of_its_own(path: Path) -> Iterator[None]:
    """While the file is read, the program's words are its name alone: a parser at its top must not read ours."""
    before = sys.argv
    sys.argv = [str(path)]
    try:
        yield
    finally:
        sys.argv = before


def _wrong(error: BaseException, path: Path, place: Path) -> UserError:
    said = error.msg if isinstance(error, SyntaxError) else " ".join(str(error).split())
    what = f"{path}, line {_line(error, place)}: {type(error).__name__}: {said}".removesuffix(": ") + "."
    if isinstance(error, SystemExit):
        hint = "The file exits when it is imported: put the code of a script below `if __name__ == '__main__':`."
        return UserError(what, hint)
    return UserError(what, "Correct that line; python FILE shows the full traceback.")


def _line(error: BaseException, path: Path) -> int:
    """The line of the file that the error came from: the last of its own in the traceback, or of a syntax error."""
    if isinstance(error, SyntaxError) and error.filename == str(path):
        return error.lineno or 1
    own = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(path)]
    return (own[-1] if own else None) or 1
