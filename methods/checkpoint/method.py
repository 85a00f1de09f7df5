"""checkpoint: an erased model that somebody else made, put through the same suites as every method."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import model_validator

from erasebench.concepts import EVERY_KIND, ErasureTask, Kind
from erasebench.errors import UserError
from erasebench.identity import identity_field, runtime_field
from erasebench.method import Method, MethodConfig, Workspace

from .source import ACCEPTED, Source, find_source

if TYPE_CHECKING:
    from diffusers import StableDiffusionPipeline
    from torch import Tensor

    from erasebench.erasure import Erasure


class CheckpointConfig(MethodConfig):
    """Which model; its files' digest, not its path, is its identity."""

    path: Path | None = runtime_field(None, f"The erased model. {ACCEPTED}")
    digest: str | None = identity_field(
        None, "SHA-256 over the model's files: filled in from them; given, they have to match it"
    )
    lora_scale: float = identity_field(1.0, "Strength of a LoRA; of no meaning for anything else", source="ours")

    @model_validator(mode="before")
    @classmethod
    def _digested(cls, values: Any) -> Any:
        if not isinstance(values, dict) or values.get("path") is None:
            return values
        path = Path(values["path"]).expanduser()
        digest = find_source(path).digest
        if values.get("digest") not in (None, digest):
            raise UserError(
                f"{path} has the digest {digest}, not {values['digest']}.",
                "It is another model, or was changed: give the right one, or leave checkpoint.digest out.",
            )
        return {**values, "path": path, "digest": digest}


class Checkpoint(Method):
    """Reads the model's weights as an erasure; what equals the world's own model is no part of it."""

    name: ClassVar[str] = "checkpoint"
    kinds: ClassVar[frozenset[Kind]] = EVERY_KIND
    Config: ClassVar[type[MethodConfig]] = CheckpointConfig

    def __init__(self, config: MethodConfig) -> None:
        """UserError where no model is named."""
        super().__init__(config)
        if self.config.path is None:
            raise UserError("checkpoint.path names no model.", f"--set checkpoint.path=PATH. {ACCEPTED}")

    def touches(self, parameter: str) -> bool:
        """Anything: somebody else decided."""
        return parameter.startswith(("unet.", "text_encoder."))

    def erase(self, pipeline: StableDiffusionPipeline, task: ErasureTask, workspace: Workspace) -> Erasure:
        """The tensors that differ from the pipeline's, whatever the task: it was erased elsewhere.

        UserError for a file that cannot be read, a key or shape that the pipeline does not have, a pickle with more
        than tensors in it, or a LoRA that diffusers' loader cannot convert.
        """
        from erasebench.erasure import Erasure

        from .tensors import changed, parameters_of

        config: CheckpointConfig = self.config
        assert config.path is not None
        source = find_source(config.path)
        form, tensors = read(source, pipeline, config.lora_scale)
        edited = changed(tensors, parameters_of(pipeline))
        record = {"model": source.path.name, "format": form, "digest": config.digest, "changed": len(edited)}
        return Erasure(edited, record)


def read(source: Source, pipeline: StableDiffusionPipeline, lora_scale: float) -> tuple[str, dict[str, Tensor]]:
    """The format, and the model's tensors by the parameters of `pipeline` that they replace."""
    from .lora import folded, folded_peft, is_lora
    from .tensors import check_autoencoder, parameters_of, placed, read_tensors, whole

    known = parameters_of(pipeline)
    if source.form in ("pipeline", "unet"):
        found: dict[str, Tensor] = {}
        for part in ("unet", "text_encoder"):
            if part not in source.files:
                continue
            tensors = {key: value for file in source.files[part] for key, value in read_tensors(file).items()}
            found |= placed(tensors, known, source.path, part)
            whole(found, known, part, source.path)
        if "vae" in source.files:
            check_autoencoder(pipeline, source.path)
        return source.form, found
    (file,) = source.files[""]
    tensors = read_tensors(file)
    if source.form == "peft":
        return "lora (peft)", folded_peft(pipeline, source.path, tensors, lora_scale)
    if is_lora(tensors):
        return "lora", folded(pipeline, file, tensors, lora_scale)
    return "tensors", placed(tensors, known, file)
