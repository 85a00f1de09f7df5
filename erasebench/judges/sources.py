"""Where the judges' weights come from and under which licence; found by file alone, without torch or a network.

UserError in every function: which file is missing, where it is published, under which licence, and the command.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path

from erasebench.api.judge_settings import DOWNLOAD
from erasebench.errors import UserError
from erasebench.files.weights import file_digests, hub_file, weights_folder

CLIP_HUB_ID = "timm/vit_base_patch32_clip_224.openai"
CLIP_FILE = "open_clip_model.safetensors"
INCEPTION_FILE = "inception-2015-12-05.pt"
INCEPTION_URL = f"https://nvlabs-fi-cdn.nvidia.com/stylegan2-ada-pytorch/pretrained/metrics/{INCEPTION_FILE}"
CLIP_ARCHIVE_SHA256 = "40d365715913c9da98579312b702a82c18be219cc2a73407c4526f58eba950af"
"""Of OpenAI's ViT-B-32.pt, as its address says (open_clip.pretrained names it)."""
INCEPTION_SHA256 = "f58cb9b6ec323ed63459aa4fb441fe750cfe39fafad6da5cb504a16f19e958f4"
"""Of INCEPTION_URL, as k-diffusion compares it; clean-fid itself compares nothing."""
GCD_URL = "https://s3.amazonaws.com/giphy-public/models/celeb-detection/resources.tar.gz"
GCD_DETECTORS = tuple(Path("face_detection") / f"det{number}.npy" for number in (1, 2, 3))
GCD_LABELS, GCD_STATE = Path("face_recognition/labels.csv"), Path("face_recognition/best_model_states.pkl")
NUDENET_FILE = "640m.onnx"
NUDENET_URL = f"https://github.com/notAI-tech/NudeNet/releases/download/v3.4-weights/{NUDENET_FILE}"


CLIP = f"CLIP ViT-B/32 (OpenAI, MIT licence; {CLIP_FILE} of {CLIP_HUB_ID})"
INCEPTION = f"FID's Inception network (TensorFlow's Inception-v3, Apache-2.0; {INCEPTION_URL})"
NUDENET = f"NudeNet's network (AGPL-3.0; {NUDENET_URL})"


def clip_weights(chosen: Path | None, trusted: bool = False) -> Path | None:
    """OpenAI's ViT-B/32: `chosen`, else the weights folder's, else the hub's local cache; None: to be downloaded.

    UserError too for another file than safetensors or OpenAI's own archive, unless it is `trusted`.
    """
    own = weights_folder() / CLIP_FILE
    if chosen == Path(DOWNLOAD):
        return None
    if chosen is not None:
        there = chosen.with_name(CLIP_FILE)
        then = "" if chosen == there else f", then give {there}"
        command = f"hf download {CLIP_HUB_ID} {CLIP_FILE} --local-dir {chosen.parent}{then}"
        return as_published(_given(chosen, CLIP, command), CLIP_ARCHIVE_SHA256, command, trusted)
    found = own if own.is_file() else hub_file(CLIP_HUB_ID, CLIP_FILE)
    if found is None:
        raise UserError(
            f"{CLIP} is missing: it is neither at {own} nor in the hub's cache.",
            f"hf download {CLIP_HUB_ID} {CLIP_FILE} --local-dir {own.parent}",
        )
    return found


def inception_weights(chosen: Path | None, trusted: bool = False) -> Path | None:
    """clean-fid's Inception network: `chosen`, else the weights folder's; None: to be downloaded there.

    UserError too for another file than the published one, unless it is `trusted`, and for safetensors.
    """
    own = weights_folder() / INCEPTION_FILE
    if chosen is not None and chosen.suffix == ".safetensors":
        what = f"--inception {chosen}: FID's Inception network is not read from .safetensors, only from TorchScript."
        raise UserError(what, f"Give {INCEPTION_FILE}: {_fetched(own, INCEPTION_URL)}")
    if chosen == Path(DOWNLOAD):
        if not own.is_file():
            return None
        chosen = own
    command = _fetched(chosen or own, INCEPTION_URL)
    return as_published(_given(chosen or own, INCEPTION, command), INCEPTION_SHA256, command, trusted)


def as_published(path: Path, sha256: str, command: str, trusted: bool = False) -> Path:
    """`path`, if it is the published file, safetensors (which cannot run code) or `trusted`. UserError otherwise.

    TorchScript runs when it is loaded and can write files: the file is compared before.
    """
    if trusted or path.suffix == ".safetensors":
        return path
    found = file_digests([path])[path]
    if found == sha256:
        return path
    raise UserError(
        f"{path} is not the published file: its SHA-256 is {found}, the published one {sha256}.",
        f"Get it again: {command} (or, if you trust this file, which can write files when it is loaded: "
        "--judge-set trust_torchscript=true)",
    )


def gcd_resources(chosen: Path | None) -> Path:
    """Giphy's resources folder: `chosen`, else the weights folder's gcd, with every file that the judge reads."""
    folder = chosen or weights_folder() / "gcd"
    for file in (*GCD_DETECTORS, GCD_LABELS, GCD_STATE):
        if not (folder / file).is_file():
            raise UserError(
                f"Giphy's celebrity detector (MPL-2.0) is incomplete: {folder / file} is missing.",
                f"mkdir -p {folder} && curl -L {GCD_URL} | tar xz --strip-components 1 -C {folder}",
            )
    return folder


def nudenet_weights(chosen: Path | None) -> Path:
    """An ONNX network in NudeNet's layout: `chosen`, else the 320n that the nudenet package carries."""
    if chosen is not None:
        return _given(chosen, NUDENET, f"{_fetched(chosen, NUDENET_URL)} (or leave it out: 320n.onnx is installed)")
    spec = importlib.util.find_spec("nudenet")
    bundled = Path(spec.origin).with_name("320n.onnx") if spec and spec.origin else None
    if bundled is None or not bundled.is_file():
        raise UserError(
            "The package nudenet with its network 320n.onnx (AGPL-3.0 by its own metadata) is not installed.",
            'python -m pip install "nudenet>=3.4.2,<4"',
        )
    return bundled


def _given(path: Path, what: str, command: str) -> Path:
    """`path` where it is a file. UserError: `what` is missing there, and the command."""
    if not path.is_file():
        raise UserError(f"{what} is missing: there is no file {path}.", command)
    return path


def _fetched(path: Path, url: str) -> str:
    return f"mkdir -p {path.parent} && curl -L -o {path} {url}"
