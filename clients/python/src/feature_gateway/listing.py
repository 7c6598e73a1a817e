"""A list that a notebook shows as a table."""

from __future__ import annotations

import dataclasses
from html import escape
from typing import Any, TypeVar

from .frames import require

Item = TypeVar("Item")


class Listing(list[Item]):
    """Items of one kind, by position or by name."""

    def __getitem__(self, at: Any) -> Any:
        if not isinstance(at, str):
            return super().__getitem__(at)
        for item in self:
            if getattr(item, "name", None) == at:
                return item
        raise KeyError(at)

    def to_pandas(self) -> Any:
        """A row for each item."""
        return require("pandas").DataFrame([_row(item) for item in self])

    def _repr_html_(self) -> str:
        if not self:
            return "<i>nothing</i>"
        rows = [_row(item) for item in self]
        head = "".join(f"<th>{escape(name)}</th>" for name in rows[0])
        body = "".join(
            "<tr>" + "".join(f"<td>{escape(_shown(value))}</td>" for value in row.values()) + "</tr>"
            for row in rows
        )
        return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _row(item: Any) -> dict[str, Any]:
    return {
        field.name: getattr(item, field.name)
        for field in dataclasses.fields(item)
        if field.repr and not field.name.startswith("_")
    }


def _shown(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, tuple):
        return ", ".join(str(getattr(each, "name", each)) for each in value)
    return str(value)
