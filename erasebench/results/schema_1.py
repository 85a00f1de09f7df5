"""Records of schema 1, read as schema 2: other words for the same things, and no number changed."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

_GROUPS = {"retained-kept": "retain-seen", "retained-unseen": "retain-heldout"}
_JUDGES = {"identity": "face-id", "judge:identity": "judge:face-id"}
_PARTS = {"kept": "seen", "unseen": "heldout"}


def from_schema_1(data: dict[str, Any]) -> dict[str, Any]:
    """The content of a record of schema 1 in the words of schema 2; `data` stays as it is.

    Renamed are the fields (figures, headline), metric names (acc_s_kept, acc_s_unseen), groups (retained-kept,
    retained-unseen) and the judge `identity`. What is not shaped like a record is left for the validation to name.
    """
    data = _renamed(data, {"figures": "metrics"})
    data["schema_version"] = 2
    _within(data, "metrics", _metric_names)
    _within(data, "table", _table)
    _within(data, "manifest", _manifest)
    _within(data, "pairing", lambda pairing: _within(pairing, "parts", _metric_names))
    if isinstance(repeats := data.get("repeats"), list):
        data["repeats"] = [_repeat(repeat) if isinstance(repeat, dict) else repeat for repeat in repeats]
    return data


def metric_name(name: str) -> str:
    """acc_s_kept_top1 -> acc_s_seen_top1, acc_s_unseen -> acc_s_heldout; every other name is unchanged."""
    return re.sub(r"(?<=_s_)(kept|unseen)(?=_|$)", lambda found: _PARTS[found[1]], name)


def _within(data: dict[str, Any], key: str, change: Callable[[dict[str, Any]], dict[str, Any]]) -> dict[str, Any]:
    if isinstance(inner := data.get(key), dict):
        data[key] = change(dict(inner))
    return data


def _renamed(data: dict[str, Any], names: dict[str, str]) -> dict[str, Any]:
    return {names.get(name, name): value for name, value in data.items()}


def _metric_names(metrics: dict[str, Any]) -> dict[str, Any]:
    return {metric_name(name): value for name, value in metrics.items()}


def _repeat(repeat: dict[str, Any]) -> dict[str, Any]:
    return _within(_renamed(repeat, {"figures": "metrics"}), "metrics", _metric_names)


def _table(table: dict[str, Any]) -> dict[str, Any]:
    table = _renamed(table, {"headline": "primary_metric"})
    if isinstance(table.get("primary_metric"), str):
        table["primary_metric"] = metric_name(table["primary_metric"])
    if isinstance(columns := table.get("columns"), list):
        table["columns"] = [_column(column) if isinstance(column, dict) else column for column in columns]
    return table


def _column(column: dict[str, Any]) -> dict[str, Any]:
    key = column.get("key")
    return {**column, "key": metric_name(key)} if isinstance(key, str) else column


def _manifest(manifest: dict[str, Any]) -> dict[str, Any]:
    _within(manifest, "digests", lambda digests: _renamed(digests, _JUDGES))
    _within(manifest, "judges", lambda judges: _renamed(judges, _JUDGES))
    manifest["seeds"] = _groups(manifest.get("seeds"))
    return manifest


def _groups(seeds: Any) -> Any:
    """Seeds by group; in an average by concept, then by group."""
    if not isinstance(seeds, dict):
        return seeds
    return {_GROUPS.get(name, name): _groups(value) for name, value in seeds.items()}
