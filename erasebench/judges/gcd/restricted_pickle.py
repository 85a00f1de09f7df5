"""Open other people's pickles without running what is in them: arrays, plain containers and tensors, nothing else."""

from __future__ import annotations

import codecs
import pickle
import struct
from collections import OrderedDict
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import torch
from numpy.lib import format as npy

from erasebench.errors import UserError

_RECONSTRUCT: Any = np.zeros(1).__reduce__()[0]
_MAKE_SCALAR: Any = np.float64(0).__reduce__()[0]


def _latin1(text: str, encoding: str) -> bytes:
    """What Python 3 writes for bytes under pickle's old protocols; any other codec is refused."""
    if encoding not in ("latin1", "latin-1"):
        raise pickle.UnpicklingError(f"the codec {encoding} is not allowed")
    return codecs.encode(text, "latin1")


_ALLOWED: Mapping[tuple[str, str], Callable[..., Any]] = {
    **{(f"numpy.{core}.multiarray", "_reconstruct"): _RECONSTRUCT for core in ("core", "_core")},
    **{(f"numpy.{core}.multiarray", "scalar"): _MAKE_SCALAR for core in ("core", "_core")},
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
    ("collections", "OrderedDict"): OrderedDict,
    ("_codecs", "encode"): _latin1,
}


BROKEN = (
    *(OSError, EOFError, pickle.UnpicklingError, struct.error, ValueError, OverflowError),
    *(RuntimeError, LookupError, TypeError, AttributeError, AssertionError),
)
"""What unpickling raises on a file that is torn or is something else: a pickle is a program, and a torn one errs."""


class _ArraysOnly(pickle.Unpickler):
    """Finds numpy's own constructors and refuses everything else by name."""

    def find_class(self, module: str, name: str) -> Any:
        try:
            return _ALLOWED[module, name]
        except KeyError:
            raise pickle.UnpicklingError(f"{module}.{name} is not allowed") from None


def read_layers(path: Path) -> dict[str, dict[str, np.ndarray]]:
    """A .npy file that holds one pickled dict of layers, each a dict of float arrays (TensorFlow's old habit).

    UserError where the file is missing, is no such file, or holds anything but numpy arrays in dicts.
    """
    try:
        with path.open("rb") as handle:
            content = _object_array(handle)
    except BROKEN as error:
        raise _refused(path, error) from error
    layers = content.item() if isinstance(content, np.ndarray) and content.shape == () else content
    if not isinstance(layers, dict) or not all(_is_layer(layer) for layer in layers.values()):
        raise _refused(path, ValueError("it contains something other than layers of arrays"))
    return {str(name): {str(part): value for part, value in layer.items()} for name, layer in layers.items()}


def _object_array(handle: BinaryIO) -> Any:
    version = npy.read_magic(handle)
    read_header = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}.get(version)
    if read_header is None:
        raise ValueError(f"a .npy file of version {version}")
    if not read_header(handle)[2].hasobject:
        raise ValueError("a plain array, not pickled layers")
    return _ArraysOnly(handle, encoding="latin1").load()


def _is_layer(layer: Any) -> bool:
    return isinstance(layer, dict) and all(
        isinstance(value, np.ndarray) and value.dtype.kind == "f" for value in layer.values()
    )


def read_state(path: Path, key: str) -> dict[str, torch.Tensor]:
    """The tensors under `key` of a torch checkpoint, of today's format or of torch 0.4's pickle, on the CPU.

    UserError where the file is missing, holds anything but tensors, numbers and plain containers, or lacks `key`.
    """
    try:
        with torch.serialization.safe_globals([*set(_ALLOWED.values()), *_dtypes()]):
            content = torch.load(path, map_location="cpu", weights_only=True)
    except BROKEN as error:
        raise _refused(path, error) from error
    state = content.get(key) if isinstance(content, dict) else None
    if not isinstance(state, dict) or not all(isinstance(value, torch.Tensor) for value in state.values()):
        raise _refused(path, ValueError(f"it has no tensors under '{key}'"))
    return dict(state)


def _dtypes() -> list[type]:
    return [type(np.dtype(kind)) for kind in ("float32", "float64", "int64", "int32")]


def _refused(path: Path, error: Exception) -> UserError:
    reason = (str(error).strip() or type(error).__name__).splitlines()[0]
    return UserError(f"{path} was not opened: {reason}.", "Get the file again from its source.")
