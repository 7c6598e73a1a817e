"""Rows of a saved query for values of an index key, now: as a backend gets them."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from . import documents
from .catalog import Column, Etl, SavedQuery, read_columns, read_listing, read_moment, read_query
from .errors import GatewayError, error_of
from .frames import FrameKind, from_arrow
from .listing import Listing
from .transport import Transport
from .values import key_text, key_value_text, table_of

# So many values go with one request.
BATCH = 1_000

Columns = tuple[Column, ...] | None


@dataclass(frozen=True)
class Lookup:
    """What there is for one value: rows as the gateway's JSON has them, and where they come from."""

    value: Any
    status: str
    source: str
    as_of: datetime.datetime | None
    event_time: datetime.datetime | None
    rows: list[dict[str, Any]]
    error: GatewayError | None
    _columns: Callable[[], Columns] = field(repr=False, compare=False)

    def to(self, kind: FrameKind) -> Any:
        """The rows, with the types that training has."""
        return from_arrow(_table([self], self._columns()), kind)

    def to_pandas(self) -> Any:
        return self.to("pandas")

    def to_polars(self) -> Any:
        return self.to("polars")

    def to_arrow(self) -> pa.Table:
        return _table([self], self._columns())


class Lookups(Listing[Lookup]):
    """A result for each value, in their order."""

    def to(self, kind: FrameKind) -> Any:
        """The rows of all values, one after the other; the first failure where there is one."""
        columns = self[0]._columns() if self else ()
        return from_arrow(_table(self, columns), kind)

    def to_pandas(self) -> Any:
        return self.to("pandas")

    def to_polars(self) -> Any:
        return self.to("polars")

    def to_arrow(self) -> Any:
        return self.to("arrow")


def look_up(
    transport: Transport,
    query: SavedQuery | str,
    key: str | Sequence[str],
    values: Any,
    etl: Etl | str | None,
) -> Lookup | Lookups:
    """One result for one value, a list of them for several; of a key of several columns a value is a tuple."""
    many = _many(key, values)
    wanted = [values] if many is None else many
    variables = {"queryId": _id(query), "indexKey": key_text(key)}
    document, name = documents.QUERY_MANY, "queryRealtimeMany"
    if etl is not None:
        document, name = documents.EXTRACT_MANY, "extractRealtimeMany"
        variables["etlPath"] = _id(etl)
    columns = _Columns(transport, query, etl)
    found = Lookups()
    for at in range(0, len(wanted), BATCH):
        batch = wanted[at : at + BATCH]
        given = {**variables, "indexValues": [key_value_text(value) for value in batch]}
        results = transport.graphql(document, given, again=True)[name]
        found.extend(_read(value, result, columns) for value, result in zip(batch, results, strict=True))
    return found if many is not None else _good(found[0])


class _Columns:
    """Asked for when a frame is made, once."""

    def __init__(self, transport: Transport, query: SavedQuery | str, etl: Etl | str | None):
        self._transport, self._query, self._etl = transport, query, etl
        self._known: list[Columns] = []

    def __call__(self) -> Columns:
        if not self._known:
            self._known.append(
                self._of_etl(self._etl) if self._etl is not None else self._of_query(self._query)
            )
        return self._known[0]

    def _of_query(self, query: SavedQuery | str) -> Columns:
        if isinstance(query, SavedQuery) and query.columns:
            return query.columns
        wanted = _id(query)
        name, _, version = wanted.partition("@")
        if not version:
            given = {"id": wanted} if wanted.startswith("qry_") else {"name": name}
            saved = self._transport.graphql(documents.SAVED_QUERY_BY, given, again=True)["savedQuery"]
            return None if saved is None else read_columns(saved["columns"])
        versions = read_listing(
            self._transport, documents.SAVED_QUERIES, "savedQueries", read_query, search=name
        )
        same = [each.columns for each in versions if (each.name, str(each.version)) == (name, version)]
        return same[0] if same else None

    def _of_etl(self, etl: Etl | str) -> Columns:
        """None for one that has not run for training: its columns are as the values say."""
        if isinstance(etl, Etl):
            return etl.columns or None
        data = self._transport.graphql(
            documents.ETLS, {"search": None if etl.startswith("etl_") else etl}, again=True
        )
        for edge in data["etls"]["edges"]:
            if etl in (edge["node"]["id"], edge["node"]["path"]):
                return read_columns(edge["node"]["columns"]) or None
        return None


def _id(thing: Any) -> str:
    return thing if isinstance(thing, str) else str(thing.id)


def _many(key: str | Sequence[str], values: Any) -> list[Any] | None:
    """The values where there are several; None for a single one."""
    if isinstance(values, (str, bytes)) or not isinstance(values, Iterable):
        return None
    if isinstance(values, tuple) and not isinstance(key, str):
        return None
    return values.to_pylist() if hasattr(values, "to_pylist") else list(values)


def _read(value: Any, result: dict[str, Any], columns: Callable[[], Columns]) -> Lookup:
    failed = result["error"]
    return Lookup(
        value=value,
        status=result["status"],
        source=result["source"],
        as_of=read_moment(result["asOf"]),
        event_time=read_moment(result["eventTime"]),
        rows=result["rows"],
        error=None if failed is None else error_of(failed["code"], f"{value!r}: {failed['message']}"),
        _columns=columns,
    )


def _good(lookup: Lookup) -> Lookup:
    if lookup.error is not None:
        raise lookup.error
    return lookup


def _table(lookups: Sequence[Lookup], columns: Columns) -> pa.Table:
    rows = [row for lookup in lookups for row in _good(lookup).rows]
    if columns is None:
        return pa.Table.from_pylist(rows)
    return table_of(rows, [(column.name, column.type) for column in columns])
