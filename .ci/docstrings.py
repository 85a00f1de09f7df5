"""Griffe extension of the documentation site: '<name>' in a docstring is text, not an HTML tag."""

from __future__ import annotations

import re
from typing import Any

import griffe


class PlainText(griffe.Extension):
    def on_object(self, *, obj: griffe.Object, **kwargs: Any) -> None:
        if obj.docstring is not None:
            parts = re.split(r"(`[^`]*`)", obj.docstring.value)  # code keeps its '<'
            obj.docstring.value = "".join(part if part.startswith("`") else part.replace("<", "&lt;") for part in parts)
