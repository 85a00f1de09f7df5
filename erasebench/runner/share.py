"""`erasebench sample`: images of a prompt table, alone or as one of several processes of `accelerate launch`."""

from __future__ import annotations

import csv
import os
from pathlib import Path

from erasebench.atomic import atomic_write
from erasebench.csv_cells import safe_cell
from erasebench.erasure import Erasure
from erasebench.identity import NumericsProfile
from erasebench.image_store import ImageStore
from erasebench.prompts import PromptTable
from erasebench.runner.job import image_digests, numerics_of
from erasebench.runner.paint import paint, wanted
from erasebench.runner.session import Session
from erasebench.scoring.listing import LISTING
from erasebench.world import World


def sample_table(world: World, table: PromptTable, out: Path, erasure_folder: Path | None, device: str | None) -> bool:
    """Write the images of `table` and images.csv (the table and each row's file) to `out`; whether the CSV was written.

    Under `accelerate launch` (or torchrun) this process makes every n-th row on its own GPU; which process makes a row
    changes no pixel. The CSV is written by whichever process finds all images there when its own are done: the last
    one, so that it never lists what is still to come. UserError for an erasure that is none or of another model.
    """
    rank, processes = int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1"))
    session = Session(world, device or default_device())
    erasure = Erasure() if erasure_folder is None else Erasure.load(erasure_folder)
    profile = NumericsProfile(device_type=session.device.type, batch_size=world.sampling.batch_size)
    digests = image_digests(table, numerics_of(world, profile), erasure.digest)
    store = ImageStore(out)
    images = wanted(table.rows[rank::processes], digests, world.sampling)
    paint(store, images, session.pipeline, erasure, profile, f"images, process {rank}")
    # Read afresh: the other processes have added to the ledger meanwhile.
    whole = ImageStore(out)
    if whole.missing(digests.values()):
        return False
    write_listing(out / LISTING, table, digests, whole)
    return True


def write_listing(path: Path, table: PromptTable, digests: dict[int, str], store: ImageStore) -> None:
    """The table with one more column, `file`: each row's image, relative to the listing; '' where there is none."""
    with atomic_write(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as handle:
        writer = csv.writer(handle, lineterminator="\n")
        writer.writerow((*table.columns, "file"))
        for row in table.rows:
            image = store.path(digests[row.row])
            file = Path(os.path.relpath(image, path.parent)).as_posix() if image.is_file() else ""
            writer.writerow(map(safe_cell, (*table.values(row), file)))


def default_device() -> str:
    """This process's GPU under `accelerate launch` where there is one; else the CPU."""
    import torch

    local = os.environ.get("LOCAL_RANK")
    return f"cuda:{local}" if local is not None and torch.cuda.is_available() else "cpu"
