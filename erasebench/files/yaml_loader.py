"""The one way in which YAML is read here: a small, safe part of YAML 1.2 within bounds.

Values are text, true and false, null, decimal whole numbers and finite floats ('1e-4' is one); 'yes', 'on', '1:30',
'010' and dates stay text. Keys stand once in a mapping. Aliases (&a, *a) may be used, but not to grow a small file
beyond MAX_NODES values; tags (!name) may not.
"""

from __future__ import annotations

import math
import re
from typing import Any

import yaml

MAX_BYTES = 2**20
MAX_DEPTH = 40
MAX_NODES = 100_000


class StrictLoader(yaml.SafeLoader):
    """Reads as the module says; a yaml.MarkedYAMLError for everything else."""

    def __init__(self, stream: str) -> None:
        super().__init__(stream)
        self._depth = 0
        self._sizes: dict[int, int] = {}

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        event = self.peek_event()
        mark = event.start_mark
        if getattr(event, "tag", None) is not None:
            raise yaml.composer.ComposerError(None, None, f"the tag {event.tag} is not allowed: leave it out", mark)
        if self._depth >= MAX_DEPTH:
            raise yaml.composer.ComposerError(None, None, f"it is nested more than {MAX_DEPTH} levels deep", mark)
        self._depth += 1
        node = super().compose_node(parent, index)
        self._depth -= 1
        if node is not None and isinstance(event, yaml.AliasEvent) and id(node) not in self._sizes:
            raise yaml.composer.ComposerError(None, None, f"*{event.anchor} is part of itself", mark)
        if node is not None and id(node) not in self._sizes:
            self._sizes[id(node)] = 1 + sum(self._sizes[id(child)] for child in _children(node))
            if self._sizes[id(node)] > MAX_NODES:
                raise yaml.composer.ComposerError(None, None, f"it contains more than {MAX_NODES:,} values", mark)
        return node

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise yaml.constructor.ConstructorError(None, None, "a key must be a single word", key.start_mark)
            if key.value in seen:
                raise yaml.constructor.ConstructorError(None, None, f"'{key.value}' is given twice", key.start_mark)
            seen.add(key.value)
        return super().construct_mapping(node, deep)

    def construct_number(self, node: yaml.ScalarNode) -> int | float:
        try:
            value = int(node.value) if re.fullmatch(r"[-+]?[0-9]+", node.value) else float(node.value)
        except ValueError:  # Python limits the digits of a whole number.
            value = math.inf
        if not math.isfinite(value):
            raise yaml.constructor.ConstructorError(None, None, f"{node.value[:20]} is not finite", node.start_mark)
        return value


def _children(node: yaml.Node) -> list[yaml.Node]:
    if isinstance(node, yaml.MappingNode):
        return [child for pair in node.value for child in pair]
    return list(node.value) if isinstance(node, yaml.SequenceNode) else []


_NUMBER = re.compile(
    r"(?:[-+]?(?:(?:0|[1-9][0-9]*)(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]+)?"
    r"|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$"
)
StrictLoader.yaml_implicit_resolvers = {}
for _tag, _pattern, _first in (
    ("null", re.compile(r"(?:~|null|Null|NULL)?$"), ["~", "n", "N", ""]),
    ("bool", re.compile(r"(?:true|True|TRUE|false|False|FALSE)$"), list("tTfF")),
    ("float", _NUMBER, list("-+.0123456789")),
):
    StrictLoader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", _pattern, _first)
StrictLoader.add_constructor("tag:yaml.org,2002:float", StrictLoader.construct_number)
