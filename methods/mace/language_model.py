"""Prompts from a language model in place of the built-in templates (the paper's own way; optional, off by default)."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from erasebench.api.concepts import Concept, ErasureTask
from erasebench.api.method import Workspace
from erasebench.editing.text_states import TextStates
from erasebench.editing.tokens import PLACEHOLDER, pair_prompts
from erasebench.errors import UserError
from erasebench.files.sealed import whole, write_sealed_json
from erasebench.training.seeds import stream_seed

from .config import MaceConfig
from .data import concept_folder
from .endpoint import ask
from .evaluation_templates import is_evaluation_template

ATTEMPTS = 4
"""Questions for each concept before too few usable prompts are an error."""
_NUMBERED = re.compile(r"^\s*(?:\d+\s*[.):]|[-*\u2022])\s*")


@dataclass(frozen=True)
class WrittenPrompts:
    """What a language model wrote for one concept: the templates that passed, and its answers word for word."""

    templates: tuple[str, ...]
    answers: tuple[str, ...]


def written_prompts(
    text: TextStates, task: ErasureTask, config: MaceConfig, workspace: Workspace
) -> dict[str, WrittenPrompts]:
    """`prompts_per_concept` templates of every concept, by name; none where no endpoint is set.

    Kept in the workspace, which belongs to the erasure: an endpoint is asked once for each concept, so a resumed run
    works with the same words. UserError where the endpoint is away or writes too few usable prompts.
    """
    if config.prompt_endpoint is None or config.prompt_model is None:
        return {}
    written = {}
    with workspace.progress(len(task.concepts), "MACE: prompts from the language model") as progress:
        for concept in task.concepts:
            file = concept_folder(workspace, "prompts", concept).with_suffix(".json")
            if not whole(file):
                _write(file, concept, text, config, workspace)
            written[concept.name] = _read(file)
            progress(1)
    return written


def _write(file: Path, concept: Concept, text: TextStates, config: MaceConfig, workspace: Workspace) -> None:
    templates: dict[str, str] = {}
    refused: list[str] = []
    answers: list[str] = []
    wanted = config.prompts_per_concept
    for attempt in range(ATTEMPTS):
        question = question_for(concept, wanted - len(templates), list(templates.values()))
        seed = stream_seed(workspace, concept.name, f"prompts {attempt}")
        answers.append(ask(str(config.prompt_endpoint), str(config.prompt_model), question, seed))
        for line in answers[-1].splitlines():
            if prompt := _NUMBERED.sub("", line).strip().strip("\"'\u201c\u201d").strip():
                try:
                    template = usable_template(prompt, concept, text)
                except UserError as error:
                    refused.append(error.what)
                else:
                    templates.setdefault(template.lower(), template)
        if len(templates) >= wanted:
            chosen = list(templates.values())[:wanted]
            write_sealed_json(file, {"concept": concept.name, "templates": chosen, "answers": answers})
            return
    last = f" The last one refused: {refused[-1]}" if refused else ""
    raise UserError(
        f"{config.prompt_model} wrote only {len(templates)} of {wanted} usable prompts for '{concept.name}' "
        f"in {ATTEMPTS} answers.{last}",
        "Use another mace.prompt_model, lower mace.prompts_per_concept, or leave mace.prompt_endpoint out.",
    )


def question_for(concept: Concept, count: int, known: list[str]) -> str:
    """What the model is asked for: `count` prompts that hold the concept's name once, none of those it wrote before."""
    about = "pictures in the style of this artist" if concept.kind == "style" else "pictures of it"
    lines = [
        f"Write {count} short, varied prompts for a text-to-image model.",
        f'Each prompt contains the exact words "{concept.name}" once and asks for {about}, in different scenes, media, '
        "views and lights, in at most 15 words.",
        "One prompt on each line, nothing else: no numbers, no quotation marks.",
    ]
    if known:
        lines += ["Do not repeat any of these:", *(template.replace(PLACEHOLDER, concept.name) for template in known)]
    return "\n".join(lines)


def usable_template(prompt: str, concept: Concept, text: TextStates) -> str:
    """The prompt with '{}' in place of the concept's name.

    UserError where the name is not in it exactly once as words of its own, where it is an evaluation prompt, or where
    it does not fit the text encoder.
    """
    hint = "Write another prompt."
    name = re.compile(rf"(?<!\w){re.escape(concept.name)}(?!\w)", re.IGNORECASE)
    if PLACEHOLDER in prompt or len(name.findall(prompt)) != 1:
        raise UserError(f"'{prompt}' does not contain '{concept.name}' exactly once.", hint)
    template = name.sub(PLACEHOLDER, prompt)
    if is_evaluation_template(template):
        raise UserError(f"'{prompt}' is an evaluation prompt of a suite.", hint)
    pair_prompts(text.tokenizer, template, concept.name, concept.anchor)
    return template


def _read(file: Path) -> WrittenPrompts:
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        return WrittenPrompts(tuple(content["templates"]), tuple(content["answers"]))
    except (OSError, ValueError, KeyError, TypeError) as error:
        hint = "Remove that file and run again: the language model is asked again."
        raise UserError(f"{file} cannot be read ({error}).", hint) from error


def recorded_answers(written: Mapping[str, WrittenPrompts]) -> dict[str, list[str]]:
    """By concept, the model's answers word for word: what the erasure's record keeps of them."""
    return {name: list(prompts.answers) for name, prompts in written.items()}
