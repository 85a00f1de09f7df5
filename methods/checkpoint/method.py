"""checkpoint: an erased model that somebody else made, put through the same suites as every method."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from erasebench.api.concepts import EVERY_KIND, ErasureTask, Kind
from erasebench.api.method import Method, MethodConfig, Workspace
from erasebench.errors import UserError

from .config import CheckpointConfig
from .source import ACCEPTED, Source, find_source

if TYPE_CHECKING:
    from diffusers import StableDiffusionPipeline
    from torch import Tensor

    from erasebench.api.erasure import Erasure

    from .gated import Membrane


class Checkpoint(Method):
    """Reads the model's weights as an erasure; what equals the world's own model is no part of it."""

    name: ClassVar[str] = "checkpoint"
    kinds: ClassVar[frozenset[Kind]] = EVERY_KIND
    Config: ClassVar[type[MethodConfig]] = CheckpointConfig

    def __init__(self, config: MethodConfig) -> None:
        """UserError where no model is named, or strengths or gates do not belong to its files."""
        super().__init__(config)
        if self.config.path is None:
            raise UserError("checkpoint.path is missing.", f"--set checkpoint.path=PATH. {ACCEPTED}")
        count, gates = len(self.config.path), self.config.gates
        self.config.scales()
        if gates is not None and len(gates) != count:
            what = f"checkpoint.gates gives {len(gates)} for {count} files."
            raise UserError(what, "Give one for each file, in their order: --set checkpoint.gates='[a cat, open]'.")

    @property
    def label(self) -> str | None:
        """What the user calls this model on the board."""
        return self.config.label

    def edits(self, parameter: str) -> bool:
        """Anything: somebody else decided."""
        return parameter.startswith(("unet.", "text_encoder."))

    def erase(self, pipeline: StableDiffusionPipeline, task: ErasureTask, workspace: Workspace) -> Erasure:
        """The tensors that differ from the pipeline's, whatever the task: it was erased elsewhere.

        Several LoRAs are each folded into the pipeline's own weights, and what each changes is added up; SPMs become
        the change of sampling that `spm` makes. UserError for a file that cannot be read, a tensor that is not used,
        has another shape or is not finite, or a pickle with more than tensors in it.
        """
        from erasebench.api.erasure import Erasure

        from .config import named
        from .gated import gated
        from .tensors import changed, check_values, parameters_of

        config: CheckpointConfig = self.config
        assert config.path is not None
        known = parameters_of(pipeline)
        gates = config.gates or (None,) * len(config.path)
        parts = [
            read(find_source(path), pipeline, scale, gate)
            for path, scale, gate in zip(config.path, config.scales(), gates, strict=True)
        ]
        if len(parts) > 1 and (whole := [at for at, part in enumerate(parts) if part.form.startswith("tensors")]):
            what = f"{config.path[whole[0]]} contains weights, but {len(parts)} paths are given."
            raise UserError(what, "Give one model, or several LoRAs or SPMs.")
        edited = changed(added([part.tensors for part in parts], known), known)
        for name, value in edited.items():
            check_values(name, value, config.path[0])
        membranes = [part.membrane for part in parts if part.membrane is not None]
        record = {
            "model": named(config.path),
            "format": ", ".join(part.form for part in parts),
            "digest": config.digest,
            "changed": len(edited),
        }
        if not membranes:
            if config.merging != "products":
                what = "None of the files is an SPM, so checkpoint.merging has no effect on them."
                raise UserError(what, "Leave checkpoint.merging out.")
            return Erasure(edited, record)
        record["gates"] = [membrane.concept for membrane in membranes]
        return Erasure(edited, record, gated(pipeline.unet, membranes, config.merging))


@dataclass(frozen=True)
class Part:
    """What one file or folder is: its format, its new values by parameter, or its gated adapters."""

    form: str
    tensors: Mapping[str, Tensor] = field(default_factory=dict)
    membrane: Membrane | None = None


def added(parts: list[Mapping[str, Tensor]], known: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The parameters with every part's change of them; of one part its own values, bit for bit."""
    filled = [part for part in parts if part]
    if len(filled) <= 1:
        return dict(filled[0]) if filled else {}
    total: dict[str, Tensor] = {}
    for part in filled:
        for name, value in part.items():
            own = known[name].double()
            total[name] = total.get(name, own) + (value.double() - own)
    return {name: value.to(known[name].dtype) for name, value in total.items()}


def read(source: Source, pipeline: StableDiffusionPipeline, scale: float, gate: str | None = None) -> Part:
    """The model's format, and its tensors by the parameters of `pipeline` that they replace or its gated adapters."""
    from .components import check_components
    from .compvis import as_diffusers, is_compvis
    from .gated import OPEN, gate_of, membrane
    from .lora import folded, folded_peft
    from .lora_keys import is_lora
    from .tensors import parameters_of, placed, read_tensors, whole

    known = parameters_of(pipeline)
    if source.form == "folder":
        _check_unused(source, scale, gate)
        check_components(pipeline, source)
        found: dict[str, Tensor] = {}
        for part in ("unet", "text_encoder"):
            if part in source.files:
                tensors = {key: value for file in source.files[part] for key, value in read_tensors(file).items()}
                found |= placed(tensors, known, source.path, part)
                whole(found, known, part, source.path)
        return Part("pipeline" if (source.path / "unet").is_dir() else next(iter(source.files)), found)
    (file,) = source.files[""]
    tensors = read_tensors(file)
    if source.form == "peft":
        if gate not in (None, OPEN):
            what = f"{source.path} is a peft LoRA, which is always open: checkpoint.gates='{gate}' has no effect on it."
            raise UserError(what, "Leave checkpoint.gates out, or give 'open' for it.")
        return Part("lora (peft)", folded_peft(pipeline, source.path, tensors, scale))
    if is_lora(tensors):
        concept = gate_of(file, tensors, gate)
        if concept is not None:
            return Part("spm, gated", membrane=membrane(pipeline.unet, file, tensors, concept, scale))
        return Part("lora", folded(pipeline, file, tensors, scale))
    _check_unused(source, scale, gate)
    if is_compvis(tensors):
        return Part("tensors (CompVis)", placed(as_diffusers(tensors, pipeline, file), known, file))
    return Part("tensors", placed(tensors, known, file))


def _check_unused(source: Source, scale: float, gate: str | None) -> None:
    """UserError where a strength or a gate is given for whole weights: it would do nothing."""
    if scale != 1 or gate is not None:
        name = "lora_scale" if scale != 1 else "gates"
        what = f"{source.path} contains whole weights, so checkpoint.{name} has no effect on it."
        raise UserError(what, f"Leave checkpoint.{name} out.")
