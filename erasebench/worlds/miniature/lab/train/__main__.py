"""Train the miniature world from nothing: ``python -m erasebench.worlds.miniature.lab.train --out FOLDER``.

Stages, each resumable by running the same command again: vae, text, unet, judges, assemble; unet-2 and unet-3, which go
on with the U-Net, run only where they are asked for. The package's own weights change at `--install` alone.
"""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL

from erasebench.errors import UserError
from erasebench.files.atomic import atomic_folder
from erasebench.worlds.miniature.judges import attributes as attribute_judge
from erasebench.worlds.miniature.judges import clip as clip_judge
from erasebench.worlds.miniature.judges import detector as detector_judge
from erasebench.worlds.miniature.judges import recogniser as recogniser_judge
from erasebench.worlds.miniature.judges import segmenter as segmenter_judge
from erasebench.worlds.miniature.lab.train import attributes, clip, detector, recogniser, segmenter, text, unet, vae
from erasebench.worlds.miniature.lab.train.pictures import Reconstruct
from erasebench.worlds.miniature.shipped import WEIGHTS, write_digests

Stage = Callable[[Path, torch.device], object]
ASSEMBLED = "weights"
"""The folder of the assembled world, as MiniatureWorld and `measure --folder` read it."""


def reconstruction(out: Path, device: torch.device) -> Reconstruct:
    """uint8 pictures through the trained autoencoder and back."""
    network = AutoencoderKL.from_pretrained(out / "vae").to(device).eval()

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
    """Write the world's folder `out/weights`: the pipeline in float16, the judges as the stages left them."""
    with atomic_folder(out / ASSEMBLED) as temporary:
        unet.assemble(out, temporary / "pipeline")
        (temporary / "judges").mkdir()
        for file in (recogniser_judge.FILE, attribute_judge.FILE, segmenter_judge.FILE, detector_judge.FILE):
            shutil.copy2(out / "judges" / file, temporary / "judges" / file)
        shutil.copytree(out / "judges" / clip_judge.FOLDER, temporary / "judges" / clip_judge.FOLDER)


def install(out: Path) -> None:
    """Put the assembled world in the place of the package's own."""
    with atomic_folder(WEIGHTS) as temporary:
        shutil.copytree(out / ASSEMBLED, temporary, dirs_exist_ok=True)
    write_digests()


STAGES: dict[str, Stage] = {
    "vae": vae.train,
    "text": text.train,
    "unet": unet.train,
    "unet-2": partial(unet.train, part=unet.PARTS[1]),
    "unet-3": partial(unet.train, part=unet.PARTS[2]),
    "judges": judges,
    "assemble": assemble,
}
DEFAULT = ("vae", "text", "unet", "judges", "assemble")


def main(words: Sequence[str] | None = None) -> None:
    """Run the stages that were asked for, in order."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "--out", type=Path, required=True, help="working folder: data, checkpoints, logs, and the world in weights/"
    )
    parser.add_argument(
        "--stage", action="append", choices=list(STAGES), help=f"only these stages (default: {' '.join(DEFAULT)})"
    )
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--threads", type=int, default=0, help="CPU threads (default: all)")
    parser.add_argument(
        "--install", action="store_true", help="afterwards replace the installed package's weights by OUT/weights"
    )
    options = parser.parse_args(words)
    if options.threads:
        torch.set_num_threads(options.threads)
    try:
        for stage in options.stage or DEFAULT:
            print(f"stage {stage}", flush=True)
            STAGES[stage](options.out, torch.device(options.device))
        if options.install:
            install(options.out)
    except UserError as error:
        raise SystemExit(str(error)) from error


if __name__ == "__main__":
    main()
