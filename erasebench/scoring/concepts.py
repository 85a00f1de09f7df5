"""What each image is about: by its table, or by its prompt where no table says it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

from erasebench.scoring.matching import Entry
from erasebench.scoring.spelling import composed

if TYPE_CHECKING:
    from erasebench.api.judge import Judge
    from erasebench.api.world import World

TEMPLATES_OF = "celebrity"
"""The suite whose templates say whom a prompt names."""
_NO_NAME = re.compile(r"(a|an|the|this|that|some|one|two|three|my|his|her|their|our|your)\s")


class About(NamedTuple):
    """The concept of each entry ('' for none); how many images' prompts name none, and what was sought in them."""

    concepts: list[str]
    without: int = 0
    sought: str = ""


def concepts_of(judge: Judge, entries: Sequence[Entry], world: World) -> About:
    """The table's word for what an image is about; where it has none for any row, what the prompt names.

    A person's name is what a template of the celebrity suite leaves of a prompt, the whole of it ('a prince' and
    'Prince Harry' are not Prince), or the whole prompt where the recogniser knows it. A class is the one class whose
    name or synonym the prompt holds as a word; a prompt that holds two names neither.
    """
    from erasebench.judges.clip import ClipAccuracyJudge
    from erasebench.judges.gcd.network import name_key
    from erasebench.judges.recogniser import IdentityJudge

    given = [entry.concept for entry in entries]
    if isinstance(judge, IdentityJudge):
        # A recogniser's name counts however it is spelt: Beyonce is Beyoncé.
        known = _spellings((*world.concept_lists.all_names("person"), *judge.recogniser.names), judge.recogniser.names)
        if any(given):
            return About([known.get(name_key(name), name) for name in given])
        return _read(entries, lambda prompt: person_in(prompt, known), "person after a template of the celebrity suite")
    if isinstance(judge, ClipAccuracyJudge) and not any(given):
        classes = {**judge.synonyms, **dict(zip(judge.classes, judge.classes, strict=True))}
        return _read(entries, lambda prompt: class_in(prompt, classes), "single class")
    return About(given)


def _spellings(names: Iterable[str], judged: Iterable[str]) -> dict[str, str]:
    """Names by their letters without accents, as the judge spells them where it knows them."""
    from erasebench.judges.gcd.network import name_key

    return {name_key(name): name for name in (*names, *judged)}


def _read(entries: Sequence[Entry], concept_in: Callable[[str], str], sought: str) -> About:
    known = {prompt: concept_in(prompt) for prompt in {entry.prompt for entry in entries}}
    concepts = [known[entry.prompt] for entry in entries]
    placed = (concept for entry, concept in zip(entries, concepts, strict=True) if entry.image and not entry.fault)
    return About(concepts, sum(not concept for concept in placed), sought)


def person_in(prompt: str, known: Mapping[str, str]) -> str:
    """The person whom a prompt names, '' for nobody; `known` are names by their letters without accents.

    A name that nobody knows is a name all the same; what begins with an article is not.
    """
    from erasebench.judges.gcd.network import name_key

    text = " ".join(composed(prompt).replace("_", " ").split())
    if (whole := known.get(name_key(text))) is not None:
        return whole
    for template in _templates():
        if found := template.fullmatch(text):
            name = found[1].strip()
            return known.get(name_key(name)) or ("" if _NO_NAME.match(name) else name)
    return ""


@cache
def _templates() -> tuple[re.Pattern[str], ...]:
    # The suites know the prompts' columns, so they are asked late.
    from erasebench.suite.suite import load_suite

    # The longest fixed text first: '{name} in an official photo' must not take 'A sketch of {name}' for a name.
    ordered = sorted(load_suite(TEMPLATES_OF).templates, key=len, reverse=True)
    return tuple(re.compile(re.escape(t).replace(re.escape("{name}"), "(.+)"), re.IGNORECASE) for t in ordered)


def class_in(prompt: str, classes: Mapping[str, str]) -> str:
    """The class that a prompt names, '' for none or more than one; `classes` maps each spelling to its class.

    A longer spelling takes its words before a shorter one: 'a police car' is no 'car' where 'police car' is a class.
    """
    longest_first = sorted(classes, key=len, reverse=True)
    pattern = re.compile(rf"(?<!\w)(?:{'|'.join(map(re.escape, longest_first))})(?!\w)", re.IGNORECASE)
    by_case = {spelling.casefold(): name for spelling, name in classes.items()}
    # Letters that match without regard to case need not fold alike (the dotless i): such a word names no class.
    words = (hit.group().casefold() for hit in pattern.finditer(composed(prompt).replace("_", " ")))
    found = {by_case[word] for word in words if word in by_case}
    return found.pop() if len(found) == 1 else ""
