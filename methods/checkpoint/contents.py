"""What a file is, from its first bytes alone: whatever holds no tensors is named before any work. Loads no torch."""

from __future__ import annotations

import json
import pickletools
import re
import struct
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

from erasebench.errors import UserError

SAFETENSORS = ".safetensors"
_LFS = b"version https://git-lfs.github.com/spec/"
_ARCHIVES = {
    b"\x1f\x8b": "a gzip archive",
    b"BZh": "a bzip2 archive",
    b"\xfd7zXZ": "an xz archive",
    b"7z\xbc\xaf": "a 7-Zip archive",
    b"Rar!": "a RAR archive",
    b"\x28\xb5\x2f\xfd": "a Zstandard archive",
}
_TAR_MAGIC = b"ustar"
_OTHER = {b"\x89HDF": "an HDF5 file", b"GGUF": "a GGUF file", b"\x93NUMPY": "a NumPy array", b"%PDF": "a PDF document"}
_MODULES = ("diffusers.", "transformers.", "ldm.", "torch.nn.modules.")
_DAMAGE = (OSError, ValueError, EOFError, IndexError, OverflowError, MemoryError, struct.error)
"""What reading a damaged pickle raises; a length that was overwritten asks for more memory than there is."""
_PICKLES = 5
"""torch's files before 2020: magic number, version, machine, content, names of the storages; then raw data."""
# What torch itself writes into a file of tensors; anything else is an object that would run code.
_PLAIN = re.compile(
    r"(torch\._utils|torch|torch\.nn\.parameter|torch\.serialization|torch\.storage|collections|_codecs"
    r"|numpy|numpy\.dtype|numpy\.dtypes|numpy\._?core\.multiarray)$"
)
_SAVE_AGAIN = "Have its maker save state_dict() as .safetensors: torch.load would run the file's code to open this."


def check_content(path: Path) -> None:
    """UserError where `path` is no file of tensors, saying what it is: a Git LFS pointer, a web page, an archive ...

    A pickle is looked through without being run; one that holds more than tensors and plain containers is named by
    the object that it would make.
    """
    with path.open("rb") as handle:
        head = handle.read(1024)
        size = path.stat().st_size
        _check_text(path, head)
        _check_binary(path, head)
        if path.suffix == SAFETENSORS:
            _check_header(path, head, size)
        elif zipfile.is_zipfile(path):
            _check_zip(path)
        else:
            _check_pickles(path, handle)


def _check_text(path: Path, head: bytes) -> None:
    if not head:
        raise UserError(f"{path} is empty.", "The download was cut off: get the file again.")
    if head.startswith(_LFS):
        hint = "In the folder that was cloned: git lfs install && git lfs pull. Or download the file itself."
        raise UserError(f"{path} is a Git LFS pointer: it refers to the weights but does not contain them.", hint)
    start = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if start.startswith((b"<!doctype", b"<html", b"<head", b"<?xml", b"<!--", b"<body")):
        hint = "Sign in or accept the licence on that page if it asks for it, and download the file itself."
        raise UserError(f"{path} is a web page, not weights.", hint)
    if path.suffix != SAFETENSORS and start.startswith((b"{", b"[")) and _is_text(head):
        raise UserError(f"{path} is a text file (JSON), not weights.", "Download the file of the weights itself.")
    if _is_text(head):
        raise UserError(f"{path} is a text file, not weights.", "Download the file of the weights itself.")


def _is_text(head: bytes) -> bool:
    """Printable ASCII with blanks; a pickle of protocol 0 is that too, but ends a global with a line of its own."""
    printable = all(32 <= byte < 127 or byte in b"\t\r\n" for byte in head)
    return printable and not re.match(rb"(\(dp|\(lp|c[\w.]+\n|\x80|I\d+\n|L\d+L\n)", head)


def _check_binary(path: Path, head: bytes) -> None:
    kinds = {magic: (kind, "Unpack it and give what is in it.") for magic, kind in _ARCHIVES.items()}
    kinds |= {magic: (kind, "Convert it to .safetensors.") for magic, kind in _OTHER.items()}
    for magic, (kind, hint) in kinds.items():
        if head.startswith(magic):
            raise UserError(f"{path} is {kind}, not a file of tensors.", hint)
    if head[257:262] == _TAR_MAGIC:
        raise UserError(f"{path} is a tar archive, not a file of tensors.", "Unpack it and give what is in it.")


def _check_header(path: Path, head: bytes, size: int) -> None:
    """A .safetensors begins with its header's length and ends with its last tensor."""
    if head.startswith((b"PK\x03\x04", b"\x80\x02", b"\x80\x03", b"\x80\x04")) and len(head) > 1:
        what = f"{path} is named .safetensors, but it is a pickle of torch."
        raise UserError(what, "Rename it to .pt: only its weights are then read.")
    header = read_header(path)
    ends = [value["data_offsets"][1] for name, value in header.items() if name != "__metadata__"]
    whole = 8 + struct.unpack("<Q", head[:8])[0] + max(ends, default=0)
    if size < whole:
        what = f"{path} has {size:,} of the {whole:,} bytes that its header announces."
        raise UserError(what, "The download was cut off: get the file again.")


def read_header(path: Path) -> dict[str, dict]:
    """The header of a .safetensors: dtype, shape and place of each tensor by key. UserError where it is none."""
    try:
        with path.open("rb") as handle:
            (length,) = struct.unpack("<Q", handle.read(8))
            if length > min(path.stat().st_size, 100_000_000):
                raise ValueError("its header is longer than the file")
            header = json.loads(handle.read(length))
        if not isinstance(header, dict) or not all(isinstance(value, dict) for value in header.values()):
            raise ValueError("its header names no tensors")
        places = [value["data_offsets"] for name, value in header.items() if name != "__metadata__"]
        if not all(isinstance(p, list) and len(p) == 2 and all(type(end) is int for end in p) for p in places):
            raise ValueError("its header gives no position for a tensor")
    except (OSError, ValueError, struct.error, RecursionError, KeyError, TypeError) as error:
        what = f"{path} is not a .safetensors file, or is damaged."
        raise UserError(
            what, "Get the file again; the name of a torch pickle must end in .pt, .pth, .ckpt or .bin."
        ) from error
    return header


def _check_zip(path: Path) -> None:
    """torch's own format is a zip with data.pkl in it; TorchScript has code beside it."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
            content = [name for name in names if name.rpartition("/")[2] == "data.pkl"]
            if not content:
                what = f"{path} is a zip archive, not a file of tensors."
                raise UserError(what, "Unpack it and give what is in it.")
            if any(name.rpartition("/")[2] == "constants.pkl" for name in names):
                raise UserError(f"{path} is a TorchScript program, not a file of tensors.", _SAVE_AGAIN)
            found = dict.fromkeys(_globals(archive.read(content[0])))
    except (zipfile.BadZipFile, zlib.error, *_DAMAGE, NotImplementedError, RuntimeError) as error:
        raise UserError(f"{path} is a damaged torch file.", "Get the file again.") from error
    _check_globals(path, found)


def _check_pickles(path: Path, handle: BinaryIO) -> None:
    handle.seek(0)
    found: dict[str, None] = {}
    for _ in range(_PICKLES):
        try:
            found |= dict.fromkeys(_globals(handle))
        except _DAMAGE as error:
            if handle.tell() > 1024 or found:
                break  # What follows the pickles is raw data.
            what = f"{path} is not a file of tensors that torch or safetensors wrote, or is damaged."
            raise UserError(what, "Get the file again.") from error
    _check_globals(path, found)


def _globals(pickle: bytes | BinaryIO) -> Iterator[str]:
    """'module.name' of everything that a pickle would import, in its order; nothing of it is run."""
    pushed: list[str] = [""]
    memo: dict[int, str] = {}
    for opcode, argument, _ in pickletools.genops(pickle):
        if opcode.name in ("GLOBAL", "INST"):
            yield str(argument).replace(" ", ".")
        elif opcode.name == "STACK_GLOBAL":
            yield ".".join(pushed[-2:])
        elif "PUT" in opcode.name or opcode.name == "MEMOIZE":
            memo[len(memo) if argument is None else int(argument)] = pushed[-1]
        elif "GET" in opcode.name:
            pushed.append(memo.get(int(argument or 0), ""))
        elif isinstance(argument, str):
            pushed.append(argument)


def _check_globals(path: Path, found: Iterable[str]) -> None:
    objects = [name for name in found if not _PLAIN.match(name.rpartition(".")[0])]
    if not objects:
        return
    modules = [name for name in objects if name.startswith(_MODULES)]
    if modules:
        raise UserError(f"{path} is a pickled module ({modules[0]}), not a file of tensors.", _SAVE_AGAIN)
    raise UserError(f"{path} pickles an object ({objects[0]}) besides its tensors.", _SAVE_AGAIN)
