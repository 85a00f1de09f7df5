"""What a method returns: changed weights, a change of sampling, and the record that lets anybody recompute them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from erasebench.api.export import RECORD_FILE as RECORD_FILE
from erasebench.api.export import check_folder
from erasebench.api.sampling_change import SamplingChange, restored
from erasebench.errors import UserError
from erasebench.files.atomic import atomic_folder, atomic_write, write_json
from erasebench.files.sealed import damage, is_sealed, sealed_write, write_sealed_json

if TYPE_CHECKING:
    from diffusers import StableDiffusionPipeline

WEIGHTS_FILE = "erasure.safetensors"
COMPONENTS = ("unet", "text_encoder")
SAMPLING = "sampling."
"""Prefix, in the weights file, of the tensors that belong to the change of sampling."""


@dataclass(frozen=True)
class Erasure:
    """An edit of a pipeline: new values by parameter name and/or a change of sampling, and how they came about.

    `tensors`: float32 on the CPU, keys 'unet.<parameter name>' or 'text_encoder.<parameter name>', shapes as in the
    pipeline. `record`, JSON-able: prompt pairs, anchors, prior, condition numbers, losses ... `sampling`: what sampling
    does otherwise (guidance, a negative prompt, gated adapters); None for an edit of weights alone.
    """

    tensors: Mapping[str, torch.Tensor] = field(default_factory=dict)
    record: Mapping[str, Any] = field(default_factory=dict)
    sampling: SamplingChange | None = None

    @cached_property
    def digest(self) -> str:
        """SHA-256 of all that decides an image: names, shapes and values, and the sampling change with its source.

        The record does not count, since it changes no image.
        """
        return _digest(self._content, self.sampling.identity if self.sampling else "")

    @cached_property
    def _content(self) -> str:
        """SHA-256 of what is in the files: it tells whether they are what was written."""
        settings = json.dumps([self.sampling.kind, self.sampling.settings], sort_keys=True) if self.sampling else ""
        total = hashlib.sha256()
        for name, values in sorted(self._stored().items()):
            total.update(f"{name} {tuple(values.shape)}\n".encode())
            total.update(values.numpy().tobytes())
        return _digest(total.hexdigest(), settings)

    def _stored(self) -> dict[str, torch.Tensor]:
        own = {f"{SAMPLING}{name}": value for name, value in self.sampling.tensors.items()} if self.sampling else {}
        tensors = {**self.tensors, **own}
        return {name: value.detach().to("cpu", torch.float32).contiguous() for name, value in tensors.items()}

    def _description(self) -> dict[str, Any]:
        sampling = {"kind": self.sampling.kind, "settings": self.sampling.settings} if self.sampling else None
        return {"digest": self._content, "sampling": sampling, "record": dict(self.record)}

    def save(self, folder: Path) -> None:
        """Write safetensors, then the JSON record with the digest: its existence means that both are whole."""
        with sealed_write(folder / WEIGHTS_FILE) as temporary:
            save_file(self._stored(), temporary, metadata={"format": "pt"})
        write_sealed_json(folder / RECORD_FILE, self._description())

    @classmethod
    def load(cls, folder: Path) -> Erasure:
        """The erasure saved in `folder`. UserError where it is missing, unreadable or not what was written."""
        hint = "Give the folder of a finished erasure, or remove it and erase again."
        for path in (folder / RECORD_FILE, folder / WEIGHTS_FILE):
            if is_sealed(path) and path.is_file() and (wrong := damage(path)) is not None:
                raise UserError(f"{path} {wrong}.", hint)
        try:
            written = json.loads((folder / RECORD_FILE).read_text(encoding="utf-8"))
            stored = load_file(folder / WEIGHTS_FILE)
            weights = {name: value for name, value in stored.items() if not name.startswith(SAMPLING)}
            loaded = cls(weights, written["record"], _restored(written.get("sampling"), stored))
            expected = written["digest"]
        except (OSError, SafetensorError, ValueError, KeyError, TypeError, RecursionError) as error:
            raise UserError(f"No readable erasure in {folder} ({error}).", hint) from error
        if loaded._content != expected:
            raise UserError(f"{folder / WEIGHTS_FILE} was changed after it was written (its digest differs).", hint)
        return loaded

    @contextmanager
    def applied_to(self, pipeline: StableDiffusionPipeline) -> Iterator[StableDiffusionPipeline]:
        """`pipeline` with the edit in place; on leaving, also by an error, it is back as it was, bit for bit.

        Any call of it inside the block is changed, by erasebench's sampler or in plain diffusers. UserError for a
        parameter that the pipeline does not have, or has in another shape, and for fused projections, which would go on
        with the weights that they were fused of.
        """
        _check_not_fused(pipeline)
        parameters = self._parameters_of(pipeline)
        originals = {name: parameter.data for name, parameter in parameters.items()}
        try:
            for name, parameter in parameters.items():
                parameter.data = self.tensors[name].to(parameter.device, parameter.dtype)
            with self.sampling.applied_to(pipeline) if self.sampling else nullcontext():
                yield pipeline
        finally:
            for name, parameter in parameters.items():
                parameter.data = originals[name]

    def export(
        self, pipeline: StableDiffusionPipeline, folder: Path, erased_with: Mapping[str, Any] | None = None
    ) -> None:
        """Write a whole diffusers pipeline folder with the edit in it, and the record; an earlier export goes for it.

        `erased_with`, JSON-able, joins the record: the method, settings, seed and model that the erasure came of.
        UserError where `folder` holds something else or cannot be written, and for a change of sampling: a folder
        holds weights alone, and without it diffusers would show what was erased.
        """
        self._check_weights_alone()
        check_folder(folder)
        description = self._description() | ({"erased_with": dict(erased_with)} if erased_with is not None else {})
        with atomic_folder(folder) as temporary, self.applied_to(pipeline):
            pipeline.save_pretrained(temporary)
            write_json(temporary / RECORD_FILE, description)

    def export_tensors(self, file: Path) -> None:
        """Write the changed weights alone as safetensors, float32, as UCE and ESD release theirs.

        Keys are the U-Net's own parameter names; where the text encoder is edited too, all of them keep their prefix.
        UserError for a change of sampling, as `export`, and where no weight is changed.
        """
        self._check_weights_alone()
        if not self.tensors:
            raise UserError(
                "This erasure changes no weights, so there is nothing to write.", "Export a folder instead."
            )
        unet = all(name.startswith("unet.") for name in self.tensors)
        tensors = {name.removeprefix("unet.") if unet else name: value for name, value in self._stored().items()}
        with atomic_write(file) as temporary:
            save_file(tensors, temporary, metadata={"format": "pt"})

    def _check_weights_alone(self) -> None:
        if self.sampling is not None:
            raise UserError(
                f"This erasure changes how images are sampled ({self.sampling.kind}): weights cannot store this.",
                "Sample with erasebench sample --erasure FOLDER; in Python: Erasure.load(FOLDER).applied_to(pipeline).",
            )

    def _parameters_of(self, pipeline: StableDiffusionPipeline) -> dict[str, torch.nn.Parameter]:
        known = {
            f"{component}.{name}": parameter
            for component in COMPONENTS
            for name, parameter in getattr(pipeline, component).named_parameters()
        }
        hint = "This erasure was made for another model: erase again on this one."
        for name, value in self.tensors.items():
            if name not in known:
                raise UserError(f"The pipeline has no parameter {name}.", hint)
            if known[name].shape != value.shape:
                shapes = f"{list(value.shape)} in the erasure, {list(known[name].shape)} in the pipeline"
                raise UserError(f"{name} has the wrong shape: {shapes}.", hint)
        return {name: known[name] for name in self.tensors}


def _check_not_fused(pipeline: StableDiffusionPipeline) -> None:
    # diffusers leaves `fused_projections` set when it puts the processors back: it is they that read the fused weights.
    fused = [name for name, each in pipeline.unet.attn_processors.items() if type(each).__name__.startswith("Fused")]
    if fused:
        raise UserError(
            f"The pipeline's query, key and value projections are fused ({fused[0]}): an edit would have no effect.",
            "Call pipeline.unfuse_qkv_projections() first.",
        )


def _digest(content: str, sampling: str) -> str:
    """Of an edit of weights alone: the weights' own digest."""
    return hashlib.sha256(f"{content} {sampling}".encode()).hexdigest() if sampling else content


def _restored(written: Mapping[str, Any] | None, stored: Mapping[str, torch.Tensor]) -> SamplingChange | None:
    if written is None:
        return None
    own = {name.removeprefix(SAMPLING): value for name, value in stored.items() if name.startswith(SAMPLING)}
    return restored(written["kind"], written["settings"], own)
