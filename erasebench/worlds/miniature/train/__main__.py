"""Train the miniature world from nothing: ``python -m erasebench.worlds.miniature.train --out FOLDER``.

Stages, each resumable by running the same command again: vae, text, unet, decoder, judges, assemble.
"""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL

from ..judges import attributes as attribute_judge
from ..judges import clip as clip_judge
from ..judges import detector as detector_judge
from ..judges import recogniser as recogniser_judge
from ..judges import segmenter as segmenter_judge
from ..world import WEIGHTS
from . import attributes, clip, detector, recogniser, segmenter, text, unet, vae
from .pictures import Reconstruct

Stage = Callable[[Path, torch.device], object]


def reconstruction(out: Path, device: torch.device) -> Reconstruct:
    """uint8 pictures through the trained autoencoder and back."""
    folder = out / "vae-decoded"
    network = AutoencoderKL.from_pretrained(folder if folder.exists() else out / "vae").to(device).eval()

    @torch.no_grad()
    def there_and_back(images: np.ndarray) -> np.ndarray:
        batch = torch.from_numpy(images).permute(0, 3, 1, 2).float().to(device) / 127.5 - 1
        shown = network.decode(network.encode(batch).latent_dist.mean).sample
        return ((shown.clamp(-1, 1) + 1) * 127.5).round().byte().permute(0, 2, 3, 1).cpu().numpy()  # type: ignore[no-any-return]

    return there_and_back


def judges(out: Path, device: torch.device) -> None:
    """The judges' networks and the segmenter's, into `out/judges`."""
    for stage in (recogniser.train, attributes.train, clip.train, segmenter.train, detector.train):
        stage(out / "judges", device, reconstruct=reconstruction(out, device))


def assemble(out: Path, device: torch.device) -> None:
    """Write the package's weights from the stages' results: the pipeline in float16, the judges as they are."""
    shutil.rmtree(WEIGHTS / "pipeline", ignore_errors=True)
    unet.assemble(out, WEIGHTS / "pipeline")
    files = (recogniser_judge.FILE, attribute_judge.FILE, segmenter_judge.FILE, detector_judge.FILE)
    for part in (*files, clip_judge.FOLDER):
        source, target = out / "judges" / part, WEIGHTS / "judges" / part
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, dirs_exist_ok=True)
        else:
            shutil.copy2(source, target)


STAGES: dict[str, Stage] = {
    "vae": vae.train,
    "text": text.train,
    "unet": unet.train,
    "decoder": vae.train_decoder,
    "judges": judges,
    "assemble": assemble,
}


def main() -> None:
    """Run the stages that were asked for, in order."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help="working folder: data, checkpoints, logs")
    parser.add_argument("--stage", action="append", choices=list(STAGES), help="only these stages (default: all)")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--threads", type=int, default=0, help="CPU threads (default: all)")
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)
    for stage in options.stage or STAGES:
        print(f"stage {stage}", flush=True)
        STAGES[stage](options.out, torch.device(options.device))


if __name__ == "__main__":
    main()
