"""Which rows of a job's prompt table its contact sheet shows; loads no torch."""

from __future__ import annotations

from erasebench.prompts import PromptRow
from erasebench.runner.job import Job

SHEET_ROWS = {"erased": 5, "synonyms": 3, "retain-seen": 2, "retain-heldout": 3, "general": 2}
"""Prompts of each group on a contact sheet."""


def sheet_rows(job: Job) -> list[PromptRow]:
    """A few rows of each group, spread over its concepts, each with another template, else with another seed."""
    chosen: list[PromptRow] = []
    for group in job.table.groups:
        by_concept: dict[str, dict[str, list[PromptRow]]] = {}
        rows = job.table.of_group(group).rows
        for row in rows:
            by_concept.setdefault(row.concept or row.prompt, {}).setdefault(row.prompt, []).append(row)
        concepts = [list(prompts.values()) for prompts in by_concept.values()]
        wanted = min(SHEET_ROWS[group], len(rows))
        for at in range(wanted):
            prompts = concepts[at * len(concepts) // wanted if wanted <= len(concepts) else at % len(concepts)]
            seeds = prompts[at % len(prompts)]
            chosen.append(seeds[at // (len(concepts) * len(prompts)) % len(seeds)])
    return list(dict.fromkeys(chosen))
