"""What the catalog holds, as the client knows it: tables, saved queries, ETLs, feature views."""

from __future__ import annotations

import dataclasses
import datetime
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from .listing import Listing
from .transport import Transport

Record = TypeVar("Record")


def read_record(kind: type[Record], data: dict[str, Any], **own: Any) -> Record:
    """A record from the gateway's JSON; `own` has what is not simply the field of that name."""
    values = dict(own)
    for each in dataclasses.fields(kind):  # type: ignore[arg-type]
        if each.name in values:
            continue
        name = re.sub(r"_(\w)", lambda found: found[1].upper(), each.name)
        if name in data:
            values[each.name] = _plain(each.name, data[name])
    return kind(**values)


def _plain(name: str, value: Any) -> Any:
    if name == "columns":
        return read_columns(value)
    if name.endswith("_at"):
        return read_moment(value)
    return tuple(value) if isinstance(value, list) else value


def read_moment(text: str | None) -> datetime.datetime | None:
    if text is None:
        return None
    whole, dot, digits = text.removesuffix("Z").partition(".")
    return datetime.datetime.fromisoformat(f"{whole}.{digits[:6]:0<6}+00:00" if dot else f"{whole}+00:00")


@dataclass(frozen=True)
class Column:
    """A column of rows."""

    name: str
    type: str
    nullable: bool = True

    def __str__(self) -> str:
        return f"{self.name} {self.type}"


def read_columns(data: list[dict[str, Any]]) -> tuple[Column, ...]:
    return tuple(Column(each["name"], each["type"], each["nullable"]) for each in data)


@dataclass(frozen=True)
class ColumnProfile:
    """What a column of a dataset holds."""

    name: str
    type: str
    nulls: int
    distinct: int
    min: Any
    max: Any


@dataclass(frozen=True)
class Table:
    """What statements may read under a name."""

    name: str
    kind: str
    accepts_rows: bool
    row_count: int | None
    changed_at: datetime.datetime | None
    columns: tuple[Column, ...]


@dataclass(frozen=True)
class SavedQuery:
    """SQL under a name and version."""

    id: str
    name: str
    version: int
    columns: tuple[Column, ...] = ()
    description: str | None = None
    tags: tuple[str, ...] = ()
    determinism: str | None = None
    determinism_note: str | None = None
    sql: str = field(default="", repr=False)
    _dataset: Any = field(default=None, repr=False, compare=False)

    @property
    def dataset(self) -> Any:
        """Its rows when it was saved; None for one that was looked up."""
        return self._dataset


@dataclass(frozen=True)
class Etl:
    """A transformation of rows into features, pinned by commit and content."""

    id: str
    name: str
    version: int
    path: str
    language: str
    commit: str | None
    columns: tuple[Column, ...]


@dataclass(frozen=True)
class Feature:
    """A column of a view that is neither key nor time."""

    name: str
    type: str
    nullable: bool
    description: str | None
    deprecated: str | None


@dataclass(frozen=True)
class View:
    """A saved query, and perhaps an ETL, served online by an index key."""

    id: str
    name: str
    index_keys: tuple[str, ...]
    timestamp_column: str | None
    features: tuple[Feature, ...]
    query: str
    etl: str | None
    description: str | None
    owner: str | None
    tags: tuple[str, ...]
    created_column: str | None
    ttl_seconds: int | None
    event_ttl_seconds: int | None
    refresh: str
    refresh_every: str | None
    refreshed_at: datetime.datetime | None = field(compare=False)
    freshness: dict[str, Any] = field(repr=False, compare=False)


@dataclass(frozen=True)
class Service:
    """Features of several views under a name and version: what one model uses."""

    id: str
    name: str
    version: int
    index_keys: tuple[Column, ...]
    request_columns: tuple[Column, ...]
    columns: tuple[Column, ...]
    features: tuple[str, ...]
    etl: str | None
    description: str | None
    owner: str | None
    tags: tuple[str, ...]


def read_table(data: dict[str, Any]) -> Table:
    return read_record(Table, data)


def read_query(data: dict[str, Any], dataset: Any = None) -> SavedQuery:
    return read_record(SavedQuery, data, _dataset=dataset)


def read_etl(data: dict[str, Any]) -> Etl:
    return read_record(Etl, data)


def read_view(data: dict[str, Any]) -> View:
    features = tuple(read_record(Feature, each) for each in data["features"])
    return read_record(
        View, data, query=_version(data["query"]), etl=_version(data["etl"]), features=features
    )


def read_service(data: dict[str, Any]) -> Service:
    return read_record(
        Service,
        data,
        index_keys=read_columns(data["indexKeys"]),
        request_columns=read_columns(data["requestColumns"]),
        features=tuple(each["name"] for each in data["features"]),
        etl=_version(data["etl"]),
    )


def _version(data: dict[str, Any] | None) -> Any:
    return None if data is None else f"{data['name']}@{data['version']}"


def read_listing(
    transport: Transport,
    document: str,
    field_name: str,
    read: Callable[[dict[str, Any]], Record],
    **given: Any,
) -> Listing[Record]:
    """All pages of a connection."""
    found: Listing[Record] = Listing()
    after: str | None = None
    while True:
        data = transport.graphql(document, {"after": after, **given}, again=True)
        page = data[field_name]
        found.extend(read(edge["node"]) for edge in page["edges"])
        if not page["pageInfo"]["hasNextPage"]:
            return found
        after = page["pageInfo"]["endCursor"]
