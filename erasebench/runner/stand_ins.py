"""Which parts of a job are stand-ins, so that its record says so and no board shows it."""

from __future__ import annotations

from erasebench.files.stand_ins import says_so
from erasebench.runner.job import Job

PROMPTS = "prompts"
"""What a record calls prompts, or captions that a method keeps, that are stand-ins."""


def stand_ins_of(job: Job) -> tuple[str, ...]:
    """The names, sorted: 'model', 'segmenter', judges of the job's groups, PROMPTS; empty where all is real."""
    parts = {"model", *(judge for group in job.table.groups for judge in job.suite.judges_of(group, job.world))}
    if job.chosen.method(job.chosen.config).segments_for(job.suite.kind):
        parts.add("segmenter")
    found = {part for part in parts if job.world.stands_in(part)}
    if says_so(row.prompt for row in job.table.rows) or says_so(job.task.prior_captions):
        found.add(PROMPTS)
    return tuple(sorted(found))
