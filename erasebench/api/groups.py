"""The groups of prompts that a suite may have, in the protocol's order."""

from __future__ import annotations

from typing import Literal, get_args

Group = Literal["erased", "synonyms", "retain-seen", "retain-heldout", "general"]
GROUPS: tuple[Group, ...] = get_args(Group)
