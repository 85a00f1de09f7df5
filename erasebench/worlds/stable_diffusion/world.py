"""Stable Diffusion v1.4, by hub id or as a local folder, with the protocol's concept lists of real names."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

from erasebench.api.concepts import Kind
from erasebench.api.world import ConceptLists, GeneralRow, Role, SamplingDefaults, Segmenter, SizeName, World
from erasebench.errors import UserError, did_you_mean
from erasebench.families.model_folder import COMPONENTS, checked_folder, few_steps, latent_size, read_config, read_files
from erasebench.families.single_file import FileModel, file_model
from erasebench.files.stand_ins import is_stand_in
from erasebench.files.weights import check_reachable, file_digests, files_digest, looks_local, weights_folder
from erasebench.identity import digest
from erasebench.prompts.imports import load_import
from erasebench.segmenters.weights import grounded_sam_digest, locate_both
from erasebench.segmenters.weights import read_files as segmenter_files
from erasebench.worlds.protocol import CLASSES, EXPLICIT, SYNONYMS
from erasebench.worlds.stable_diffusion import judges as photograph_judges

if TYPE_CHECKING:
    import torch
    from diffusers import StableDiffusionPipeline

    from erasebench.api.judge import Judge

HUB_ID = "CompVis/stable-diffusion-v1-4"
LISTS_FILE = Path(__file__).parent / "data" / "concept_names.csv"
_HUB_FILES: dict[str, Any] = {
    "allow_patterns": ["model_index.json", *(f"{part}/*" for part in COMPONENTS)],
    "ignore_patterns": ["*.fp16.*", "*.non_ema.*", "*.msgpack", "*.bin"],
}
_KINDS: dict[str, Kind] = {"celebrity": "person", "style": "style"}
_ROLES: dict[str, Role] = {"erase": "erase", "retain": "retain"}


def protocol_lists() -> ConceptLists:
    """The names of the protocol's tables, in its order (MACE, arXiv 2403.06135, supplementary), classes and words."""
    lists: dict[tuple[Kind, Role], tuple[str, ...]] = {
        ("object", "erase"): CLASSES,
        ("explicit", "erase"): EXPLICIT,
    }
    with LISTS_FILE.open(encoding="utf-8", newline="") as handle:
        for row in csv.DictReader(handle):
            key = (_KINDS[row["kind"]], _ROLES[row["role"]])
            lists[key] = (*lists.get(key, ()), row["name"])
    return ConceptLists(lists, SYNONYMS)


class StableDiffusionWorld(World):
    """Any Stable Diffusion v1.x in diffusers' format; v1.4 is the one that published values are about."""

    name: ClassVar[str] = "stable-diffusion-v1-4"
    about: ClassVar[str] = "Stable Diffusion v1.4 as released, 512 x 512, the protocol's sampling and concept lists."
    default_size: ClassVar[SizeName] = "full"
    prior_source: ClassVar[str] = "COCO's captions except the general prompts (erasebench prompts import coco)"
    usual_sampling: ClassVar[SamplingDefaults | None] = SamplingDefaults(
        steps=50, guidance=7.5, width=512, height=512, batch_size=8
    )

    def __init__(self, model: str = HUB_ID) -> None:
        """`model`: a hub id, a folder in diffusers' format, or a file. UserError for what is no model."""
        self.model = model
        if looks_local(model):
            # Looked at now: it is a mistake to be found before anything else.
            self.folder  # noqa: B018

    @classmethod
    def open(cls, model: str | None = None) -> Self:
        """The world on `model`, or on the hub's Stable Diffusion v1.4."""
        return cls(model or HUB_ID)

    @cached_property
    def sampling(self) -> SamplingDefaults:  # type: ignore[override]
        """The protocol's 50 steps at 7.5, at the model's own size (512 pixels for v1.4), with what the user asked for.

        UserError for a model of few steps without steps, guidance and scheduler given.
        """
        self._check_steps(self.sampling_given)
        height, width = latent_size(self.folder)
        factor = 2 ** (len(read_config(self.folder / "vae" / "config.json")["block_out_channels"]) - 1)
        usual = SamplingDefaults(steps=50, guidance=7.5, width=width * factor, height=height * factor, batch_size=8)
        return usual.model_copy(update=self.sampling_given)

    def sample_with(self, given: Mapping[str, Any]) -> None:
        """See `World.sample_with`. A model that is not there yet is checked when `sampling` is first asked for."""
        if self.missing("model") is None:
            self._check_steps(given)
        self.sampling_given = dict(given)
        self.__dict__.pop("sampling", None)

    def _check_steps(self, given: Mapping[str, Any]) -> None:
        lacking = [name for name in ("steps", "guidance", "scheduler") if name not in given]
        if lacking and (special := few_steps(self.folder)) is not None:
            usual = "50 steps of DDIM at guidance 7.5"
            raise UserError(
                f"{self.model} is {special.what}: do not sample it with {usual}.",
                f"Give --steps, --guidance and --scheduler as its authors do, for example {special.options}.",
            )

    @cached_property
    def half_dtype(self) -> str:  # type: ignore[override]
        """bfloat16 for models that predict v (Stable Diffusion 2.1 overflows in float16), else float16."""
        if self.missing("model") is not None:
            return "float16"
        config = read_config(self.folder / "scheduler" / "scheduler_config.json")
        return "bfloat16" if config.get("prediction_type") == "v_prediction" else "float16"

    @cached_property
    def concept_lists(self) -> ConceptLists:  # type: ignore[override]
        return protocol_lists()

    @cached_property
    def file(self) -> FileModel | None:
        """The model where it is one file; None where it is a folder."""
        path = Path(self.model).expanduser()
        return file_model(path) if looks_local(self.model) and path.is_file() else None

    @cached_property
    def folder(self) -> Path:
        """The folder of the model's configs; a hub id is looked up in the local hub cache first, then downloaded."""
        if self.file is not None:
            return self.file.configs
        if looks_local(self.model):
            return checked_folder(Path(self.model).expanduser())
        return _from_hub(self.model)

    def weights_digest(self) -> str:
        """SHA-256 over the files of the five components that sampling uses; of a file, its own with its configs'."""
        if self.file is not None:
            (own,) = file_digests([self.file.file]).values()
            return digest([own, files_digest(self.folder.rglob("*.json"), self.folder)])
        return files_digest(read_files(self.folder), self.folder)

    def pipeline(self, device: torch.device | str = "cpu", dtype: torch.dtype | None = None) -> StableDiffusionPipeline:
        """The pipeline on `device`. UserError for missing or misshapen weights, naming them."""
        if self.file is not None:
            from erasebench.families.file_weights import file_pipeline

            return file_pipeline(self.file, device, dtype)
        from erasebench.families.loading import load_pipeline

        return load_pipeline(self.folder, device, dtype)

    def segmenter(self, device: torch.device | str = "cpu") -> Segmenter:
        """Grounding DINO and SAM. UserError says which weights are missing, their licence, and the command."""
        folders = locate_both(weights_folder())
        import torch

        from erasebench.segmenters.grounded_sam import GroundedSam

        return GroundedSam(*folders, torch.device(device))

    def segmenter_digest(self) -> str:
        """From the files alone. UserError as `segmenter`."""
        return grounded_sam_digest(*locate_both(weights_folder()))

    def judge(self, name: str, device: torch.device | str = "cpu") -> Judge:
        """One of `judges`, as `judge_settings` say. UserError: what is missing, its licence, the command."""
        if name not in self.judges:
            raise UserError(f"There is no judge '{name}'.", did_you_mean(name, self.judges))
        import torch

        return photograph_judges.load(
            name, self.judge_settings, torch.device(device), self.concept_lists.all_names("person")
        )

    def cannot_judge(self, judge: str, name: str) -> str | None:
        """See `World.cannot_judge`; the celebrity detector knows more people than the concept lists have."""
        if judge == "face-id":
            return photograph_judges.unknown_person(self.judge_settings, name)
        return super().cannot_judge(judge, name)

    def judge_files(self) -> tuple[Path, ...]:
        """What lies in the folder of judges' weights or was named by the user, and the segmenter's files."""
        found = {path for path in weights_folder().rglob("*") if path.is_file()}
        found.update(self.judge_settings.files())
        with suppress(UserError):
            found.update(path for folder in locate_both(weights_folder()) for path in segmenter_files(folder))
        return tuple(sorted(found))

    def missing(self, what: str) -> UserError | None:
        """See `World.missing`."""
        if what in self.judges:
            return photograph_judges.missing(what, self.judge_settings)
        if what == "segmenter":
            try:
                locate_both(weights_folder())
            except UserError as error:
                return error
        if what == "prior":
            return _prior_trouble()
        if what == "model" and not looks_local(self.model):
            return _cached_trouble(self.model)
        return None

    def stands_in(self, what: str) -> bool:
        """See `World.stands_in`."""
        try:
            if what in self.judges:
                files = photograph_judges.files(what, self.judge_settings)
            elif what == "segmenter":
                files = [path for folder in locate_both(weights_folder()) for path in segmenter_files(folder)]
            elif what == "model":
                files = read_files(self.folder) if self.file is None else [self.file.file]
            else:
                files = []
        except UserError:
            return False
        return any(map(is_stand_in, files))

    def prior_captions(self) -> tuple[str, ...]:
        """COCO's captions but for the general prompts; none where they have not been imported: `missing` says so."""
        try:
            return load_import("coco").captions
        except UserError:
            return ()

    def general_prompts(self) -> list[GeneralRow]:
        """COCO's captions, as imported. UserError with the command where they have not been."""
        return load_import("coco").rows

    def explicit_prompts(self) -> list[GeneralRow]:
        """I2P's prompts, as imported. UserError with the command where they have not been."""
        return load_import("i2p").rows


def _prior_trouble() -> UserError | None:
    """Why there are no captions for the prior."""
    what, hint = "COCO's import has no captions left for the prior.", "Import COCO again, with a smaller --n."
    try:
        if load_import("coco").captions:
            return None
    except UserError as error:
        what, hint = error.what, "erasebench prompts import coco --annotations captions_val2014.json"
    return UserError(f"{what} Methods that preserve a prior of captions erase without it.", hint)


def _cached(model: str) -> Path | None:
    """The model's folder in the local hub cache, whole or in part; None where it is not there."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    try:
        return Path(snapshot_download(model, **_HUB_FILES, local_files_only=True))
    except LocalEntryNotFoundError:
        return None


def _cached_trouble(model: str) -> UserError | None:
    """What keeps the hub's cache from being used as it is."""
    if (found := _cached(model)) is None:
        about = " (4 GB; licence: CreativeML Open RAIL-M)" if model == HUB_ID else ""
        what = f"The model {model} is not in the local hub cache{about}."
        return UserError(what, f"{_download_command(model)}; then give --model FOLDER.")
    try:
        checked_folder(found)
    except UserError as error:
        what = f"The model {model} is incomplete in the local hub cache: {error.what}"
        return UserError(what, f"{_download_command(model)}; then give --model FOLDER.")
    return None


def _from_hub(model: str) -> Path:
    from huggingface_hub import constants, snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError

    found = _cached(model)
    if found is not None and _cached_trouble(model) is None:
        return found
    try:
        check_reachable(constants.ENDPOINT)
        found = Path(snapshot_download(model, **_HUB_FILES))
    except (HfHubHTTPError, HFValidationError, OSError) as error:
        reason = str(error).strip().splitlines()[0]
        there = "is not in the local hub cache" if found is None else "is incomplete in the local hub cache"
        raise UserError(
            f"The model {model} {there} and cannot be downloaded ({reason}).",
            f"On a machine with internet access: {_download_command(model)}; then give --model FOLDER.",
        ) from error
    return checked_folder(found)


def _download_command(model: str) -> str:
    """The command line that fetches what `from_pretrained` reads here, and nothing else."""
    options = {"include": _HUB_FILES["allow_patterns"], "exclude": _HUB_FILES["ignore_patterns"]}
    given = " ".join(f"--{name} '{pattern}'" for name, patterns in options.items() for pattern in patterns)
    return f"hf download {model} --local-dir FOLDER {given}"
