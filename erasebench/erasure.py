"""What a method returns: changed weights, and the record that lets anybody recompute them elsewhere."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from erasebench.atomic import atomic_write, write_json
from erasebench.errors import UserError

if TYPE_CHECKING:
    from diffusers import StableDiffusionPipeline

WEIGHTS_FILE = "erasure.safetensors"
RECORD_FILE = "erasure.json"
COMPONENTS = ("unet", "text_encoder")


@dataclass(frozen=True)
class Erasure:
    """An edit of a pipeline: new values by parameter name, and a JSON-able record of how they came about.

    `tensors`: float32 on the CPU, keys 'unet.<parameter name>' or 'text_encoder.<parameter name>', shapes as in the
    pipeline. `record`: prompt pairs, anchors, prior, condition numbers, losses ...
    """

    tensors: Mapping[str, torch.Tensor] = field(default_factory=dict)
    record: Mapping[str, Any] = field(default_factory=dict)

    @cached_property
    def digest(self) -> str:
        """SHA-256 over names, shapes and values; the record does not count, since it changes no image."""
        total = hashlib.sha256()
        for name in sorted(self.tensors):
            values = self.tensors[name].detach().to("cpu", torch.float32).contiguous()
            total.update(f"{name} {tuple(values.shape)}\n".encode())
            total.update(values.numpy().tobytes())
        return total.hexdigest()

    def save(self, folder: Path) -> None:
        """Write safetensors, then the JSON record with the digest: its existence means that both are whole."""
        tensors = {name: value.detach().to("cpu", torch.float32).contiguous() for name, value in self.tensors.items()}
        with atomic_write(folder / WEIGHTS_FILE) as temporary:
            save_file(tensors, temporary, metadata={"format": "pt"})
        write_json(folder / RECORD_FILE, {"digest": self.digest, "record": dict(self.record)})

    @classmethod
    def load(cls, folder: Path) -> Erasure:
        """The erasure saved in `folder`. UserError where it is missing, unreadable or not what was written."""
        mend = "Give the folder of a finished erasure, or remove it and erase again."
        try:
            written = json.loads((folder / RECORD_FILE).read_text(encoding="utf-8"))
            loaded = cls(load_file(folder / WEIGHTS_FILE), written["record"])
            expected = written["digest"]
        except (OSError, SafetensorError, json.JSONDecodeError, KeyError, TypeError) as error:
            raise UserError(f"No readable erasure in {folder} ({error}).", mend) from error
        if loaded.digest != expected:
            raise UserError(f"{folder / WEIGHTS_FILE} is not what was written (its digest differs).", mend)
        return loaded

    @contextmanager
    def applied_to(self, pipeline: StableDiffusionPipeline) -> Iterator[StableDiffusionPipeline]:
        """`pipeline` with the edit in place; on leaving, also by an error, its own weights are back bit for bit.

        UserError for a parameter that the pipeline does not have, or has in another shape.
        """
        parameters = self._parameters_of(pipeline)
        originals = {name: parameter.data for name, parameter in parameters.items()}
        try:
            for name, parameter in parameters.items():
                parameter.data = self.tensors[name].to(parameter.device, parameter.dtype)
            yield pipeline
        finally:
            for name, parameter in parameters.items():
                parameter.data = originals[name]

    def export(self, pipeline: StableDiffusionPipeline, folder: Path) -> None:
        """Write a whole diffusers pipeline folder with the edit in it, and the record beside it.

        UserError where `folder` already holds something else.
        """
        if folder.exists() and any(folder.iterdir()) and not (folder / "model_index.json").is_file():
            raise UserError(f"{folder} is not empty and holds no pipeline.", "Give another folder to export to.")
        with self.applied_to(pipeline):
            pipeline.save_pretrained(folder)
        write_json(folder / RECORD_FILE, {"digest": self.digest, "record": dict(self.record)})

    def _parameters_of(self, pipeline: StableDiffusionPipeline) -> dict[str, torch.nn.Parameter]:
        known = {
            f"{component}.{name}": parameter
            for component in COMPONENTS
            for name, parameter in getattr(pipeline, component).named_parameters()
        }
        mend = "This erasure was made for another model: erase again on this one."
        for name, value in self.tensors.items():
            if name not in known:
                raise UserError(f"The pipeline has no parameter {name}.", mend)
            if known[name].shape != value.shape:
                shapes = f"{list(value.shape)} in the erasure, {list(known[name].shape)} in the pipeline"
                raise UserError(f"{name} has the wrong shape: {shapes}.", mend)
        return {name: known[name] for name in self.tensors}
