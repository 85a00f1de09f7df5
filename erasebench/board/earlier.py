"""Which rows were measured with an earlier version of a method's code."""

from __future__ import annotations

from collections.abc import Mapping

from erasebench.board.groups import Group


def earlier_versions(group: Group, versions: Mapping[str, str]) -> str:
    """Which records of the group another version of their method made than today's; '' where none did.

    `versions`: today's version by method. A record of a method that is not in it is not spoken of.
    """
    labels = [
        label
        for label, record in zip(group.labels, group.records, strict=True)
        if versions.get(record.method, record.method_version) != record.method_version
    ]
    return f"{', '.join(labels)}: measured with an earlier version of the method's code." if labels else ""
