"""Which features of which views: as texts, or told in full."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from .errors import error_of


@dataclass(frozen=True)
class Features:
    """
    Features of one view: all of them where none are named. `prefix` goes before their names; `keys` says which column
    has each key of the view, where it is not of the same name: {"airport": "origin"}.
    """

    view: str
    names: tuple[str, ...] | None = None
    prefix: str | None = None
    keys: Mapping[str, str] | None = None

    def to_json(self) -> dict[str, Any]:
        reference: dict[str, Any] = {"view": self.view}
        if self.names is not None:
            reference["features"] = list(self.names)
        if self.prefix is not None:
            reference["prefix"] = self.prefix
        if self.keys is not None:
            reference["keys"] = [{"key": key, "column": column} for key, column in self.keys.items()]
        return reference


def features_of(
    view: Any, *names: str, prefix: str | None = None, keys: Mapping[str, str] | None = None
) -> Features:
    """features_of("driver_stats", "conv_rate", prefix="d_", keys={"driver_id": "driver"})"""
    name = view if isinstance(view, str) else view.name
    return Features(name, names or None, prefix, keys)


def read_references(given: Any) -> list[dict[str, Any]]:
    """References as the gateway takes them: texts that name features of one view, "view:feature", become one."""
    if not isinstance(given, Iterable) or isinstance(given, (str, Features)):
        given = [given]
    read: list[Features] = []
    by_view: dict[str, int] = {}
    for each in given:
        reference = _read(each)
        at = by_view.get(reference.view)
        if isinstance(each, str) and reference.names is not None and at is not None:
            read[at] = Features(reference.view, (*(read[at].names or ()), *reference.names))
            continue
        if isinstance(each, str) and reference.names is not None:
            by_view[reference.view] = len(read)
        read.append(reference)
    return [reference.to_json() for reference in read]


def _read(given: Any) -> Features:
    if isinstance(given, Features):
        return given
    if isinstance(given, str):
        view, colon, feature = given.partition(":")
        return Features(view, (feature,) if colon else None)
    if hasattr(given, "name") and hasattr(given, "index_keys"):
        return Features(given.name)
    raise error_of(
        "BAD_USER_INPUT",
        f"given a {type(given).__name__} among the features; expected 'view', 'view:feature' or features_of(…)",
    )
