"""`erasebench sample`: images of a prompt table, alone or as one of several processes of `accelerate launch`."""

from __future__ import annotations

import csv
import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from erasebench.api.erasure import Erasure
from erasebench.api.world import World
from erasebench.diffusion.profile import checked_dtype, sampling_profile
from erasebench.errors import UserError
from erasebench.files.atomic import atomic_write
from erasebench.files.csv_cells import original_cell, safe_cell
from erasebench.prompts import PromptTable
from erasebench.runner.generate import generate, wanted
from erasebench.runner.job import image_digests, numerics_of
from erasebench.runner.session import Session
from erasebench.scoring.listing import LISTING
from erasebench.store.images import ImageStore

if TYPE_CHECKING:
    import pandas as pd

log = logging.getLogger(__name__)


class Share(NamedTuple):
    """This process's number from 0, and how many processes a launcher started."""

    rank: int
    processes: int


def own_share(environment: Mapping[str, str] = os.environ) -> Share:
    """What accelerate launch and torchrun say in RANK and WORLD_SIZE; 0 of 1 without them.

    UserError where they are no numbers that fit: a share that nobody makes would be missing in silence.
    """
    rank, processes = environment.get("RANK", "0"), environment.get("WORLD_SIZE", "1")
    if rank.isascii() and rank.isdigit() and processes.isascii() and processes.isdigit() and int(rank) < int(processes):
        return Share(int(rank), int(processes))
    what = f"RANK={rank} and WORLD_SIZE={processes} in the environment are not a valid process number and count."
    raise UserError(what, "Start it with accelerate launch or torchrun, or unset both.")


def started_alone(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether `accelerate launch` was asked for several processes and started this one alone.

    With one GPU or none it does so without a word (seen in accelerate 1.15): it sets an address where processes would
    meet, as for several, but no rank.
    """
    by_accelerate = "ACCELERATE_MIXED_PRECISION" in environment
    return by_accelerate and "MASTER_PORT" in environment and "WORLD_SIZE" not in environment


class Made(NamedTuple):
    """What a process has made: rows asked of it, those of them without an image, whether images.csv was written."""

    asked: int
    broken: int
    listed: bool


def sample_table(
    world: World,
    table: PromptTable,
    out: Path,
    erasure_folder: Path | None,
    device: str | None,
    dtype: str = "auto",
    compiled: bool = False,
) -> Made:
    """Write the images of `table` and images.csv (the table and each row's file) to `out`.

    Under `accelerate launch` (or torchrun) this process makes every n-th row on its own GPU; which process makes a row
    changes no pixel. The CSV is written by whichever process finds all images there when its own are done: the last
    one, so that it never lists what is still to come. UserError for an erasure that is none or of another model.
    """
    rank, processes = own_share()
    if started_alone():
        log.warning(
            "accelerate launch started one process, fewer than --num_processes: it starts several only "
            "if it finds several GPUs. This process samples all images. Without GPUs, torchrun --nproc_per_node N -m "
            "erasebench sample ... starts N."
        )
    session = Session(world, device or default_device())
    erasure = Erasure() if erasure_folder is None else Erasure.load(erasure_folder)
    profile = sampling_profile(world, session.device.type, checked_dtype(dtype), compiled=compiled)
    # Several processes have to agree: each would find what fits into its own card, and what the others leave free.
    size = session.batch_size(profile) if processes == 1 else None
    profile = profile.model_copy(update={} if size is None else {"batch_size": size})
    digests = image_digests(table, numerics_of(world, profile), erasure.digest)
    store = ImageStore(out)
    own = table.rows[rank::processes]
    images = wanted(own, digests, world.sampling)
    generate(store, images, session.sampling_pipeline(profile), erasure, profile, f"images, process {rank}")
    # Read afresh: the other processes have added to the ledger meanwhile.
    whole = ImageStore(out)
    broken = sum(whole.entries[digests[row.row]].sha256 is None for row in own)
    listed = not whole.missing(digests.values())
    if listed:
        write_listing(out / LISTING, table, digests, whole)
    return Made(len(own), broken, listed)


def rows_to_sample(source: str | Path, table: PromptTable, own: bool) -> PromptTable:
    """`table` as it is sampled: with its rows' `own` guidance and size, or all alike, which the log then says.

    `source`: what the log calls the table.
    """
    if own or not table.has_own:
        return table
    log.warning(
        "Rows of %s have their own guidance or size, which are not used. --sampling i2p-rows (in "
        "Python sampling='i2p-rows') uses them.",
        source,
    )
    return table.alike()


def write_listing(path: Path, table: PromptTable, digests: dict[int, str], store: ImageStore) -> None:
    """The table with one more column, `file`: each row's image, relative to the listing; '' where there is none."""
    with atomic_write(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as handle:
        writer = csv.writer(handle, lineterminator="\n")
        writer.writerow((*table.columns, "file"))
        for row in table.rows:
            image = store.path(digests[row.row])
            file = Path(os.path.relpath(image, path.parent)).as_posix() if image.is_file() else ""
            writer.writerow(map(safe_cell, (*table.values(row), file)))


def read_listing(path: Path) -> pd.DataFrame:
    """What `write_listing` wrote, its text as it was before a spreadsheet's signs were made harmless."""
    import pandas as pd

    text = ("group", "concept", "prompt", "file")
    # A prompt such as '42' stays text.
    frame = pd.read_csv(path, keep_default_na=False, dtype=dict.fromkeys(text, str))
    return frame.assign(**{name: frame[name].map(original_cell) for name in text})


def default_device(environment: Mapping[str, str] = os.environ) -> str:
    """This process's GPU under a launcher where there is one (shared where processes outnumber GPUs); else the CPU."""
    import torch

    local = environment.get("LOCAL_RANK", "")
    there = torch.cuda.device_count() if local.isdigit() and torch.cuda.is_available() else 0
    return f"cuda:{int(local) % there}" if there else "cpu"
