"""A job under way: what is made, what all jobs of a run share, and where this one keeps what it makes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from erasebench.runner.job import Job
from erasebench.runner.session import Session
from erasebench.store.run_folder import RunFolder


@dataclass(frozen=True)
class Work:
    """What every stage is given."""

    job: Job
    session: Session

    @cached_property
    def folder(self) -> RunFolder:
        """The folder of the job's erasure and everything that is measured on it."""
        return self.job.folder(self.session.segmenter)
