"""Rows into tables, and tables that are made for them."""

from __future__ import annotations

import datetime
import json
import os
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import IO, Any
from urllib.parse import quote

import pyarrow as pa

from . import documents
from .catalog import Column, Table, read_table
from .errors import error_of
from .frames import to_arrow, to_parquet
from .progress import ProgressBar
from .transport import Transport

# So long one request waits for the rows to be served; then the job is asked how far it is.
WAIT_SECONDS = 20
FILE_TYPES = {
    ".parquet": "application/vnd.apache.parquet",
    ".arrows": "application/vnd.apache.arrow.stream",
    ".csv": "text/csv",
    ".json": "application/json",
    ".ndjson": "application/x-ndjson",
    ".jsonl": "application/x-ndjson",
}


@dataclass(frozen=True)
class Written:
    """Rows that a durable job has written, or writes: `rows` is None as long as it does."""

    job_id: str
    rows: int | None


def ingest(
    transport: Transport,
    table: str,
    rows: Any,
    *,
    idempotency_key: str | None,
    wait: bool,
    progress: bool | None,
) -> Written:
    """
    Every request has an idempotency key, so that one that is sent again is never more rows; with one of the caller's
    own the same holds when the caller runs again.
    """
    body, content_type, length = file_of(rows)
    answer = transport.call(
        "POST",
        f"/tables/{quote(table, safe='')}/rows",
        body,
        again=True,
        content_type=content_type,
        headers={"idempotency-key": idempotency_key or str(uuid.uuid4()), "content-length": str(length)},
        query={"wait": "true", "wait_ms": str(WAIT_SECONDS * 1000)} if wait else None,
        wait=WAIT_SECONDS,
    )
    job_id = str(answer["job_id"])
    if "rows" in answer or not wait:
        return Written(job_id, answer.get("rows"))
    return _until_written(transport, job_id, progress)


def file_of(rows: Any) -> tuple[Callable[[], IO[bytes]], str, int]:
    """A frame as Parquet, a file as it is: opened anew each time, with its type and its length."""
    if isinstance(rows, (str, os.PathLike)):
        path = os.fspath(rows)
        content_type = FILE_TYPES.get(os.path.splitext(path)[1].lower())
        if content_type is None:
            message = f"{path} ends in no known format; expected one of {', '.join(FILE_TYPES)}"
            raise error_of("BAD_USER_INPUT", message)
        return lambda: open(path, "rb"), content_type, os.path.getsize(path)
    file = to_parquet(rows)

    def again() -> IO[bytes]:
        file.seek(0)
        return file

    return again, FILE_TYPES[".parquet"], file.getbuffer().nbytes


def _until_written(transport: Transport, job_id: str, progress: bool | None) -> Written:
    pause = 0.2
    with ProgressBar(f"job {job_id}", progress) as bar:
        while True:
            job = transport.call("GET", f"/jobs/{job_id}", again=True)
            if job["status"] == "SUCCEEDED":
                return Written(job_id, job["done"])
            if job["status"] in ("FAILED", "CANCELLED"):
                raise error_of("WAREHOUSE_FAILED", job["error"] or f"job {job_id} was cancelled")
            bar.show(job["done"] / job["total"] if job["total"] else None, job["waiting_for"] or "writing")
            time.sleep(pause)
            pause = min(pause * 1.5, 2.0)


def table_changed(transport: Transport, table: str, keys: Sequence[Mapping[str, Any]] | None) -> list[str]:
    path = f"/tables/{quote(table, safe='')}/changed"
    body = json.dumps({} if keys is None else {"keys": [dict(each) for each in keys]}).encode()
    return [str(view["name"]) for view in transport.call("POST", path, body, again=True)["views"]]


def erase_entity(transport: Transport, key: str, value: Any, progress: bool | None) -> Written:
    body = json.dumps({"index_key": key, "index_value": str(value)}).encode()
    # Begun twice, it finds nothing the second time.
    answer = transport.call("POST", "/entities/erase", body, again=True)
    return _until_written(transport, str(answer["job_id"]), progress)


def view_changes(changes: Mapping[str, Any]) -> bytes:
    """As the gateway names them; times in seconds, and features as what is said of each."""
    names = {"ttl": "ttl_seconds", "event_ttl": "event_ttl_seconds"}
    asked: dict[str, Any] = {}
    for name, value in changes.items():
        if isinstance(value, datetime.timedelta):
            value = int(value.total_seconds())
        elif name == "features" and value is not None:
            value = [{"feature": each, "description": words} for each, words in value.items()]
        asked[names.get(name, name)] = value
    return json.dumps(asked).encode()


def create_table(transport: Transport, name: str, columns: Any) -> Table:
    """A table with the columns of a frame, or of a mapping of names to types."""
    variables = {"name": name, "columns": columns_of(columns)}
    return read_table(transport.graphql(documents.CREATE_TABLE, variables, again=True)["createTable"])


def columns_of(given: Any) -> list[dict[str, Any]]:
    """Columns as the gateway takes them: of a frame, of a mapping of names to types, or as it told them."""
    if isinstance(given, Mapping) and all(isinstance(kind, str) for kind in given.values()):
        return [_of_type(each, kind) for each, kind in given.items()]
    if isinstance(given, (list, tuple)) and all(isinstance(each, Column) for each in given):
        return [{"name": each.name, "type": each.type, "nullable": each.nullable} for each in given]
    return [_of_field(field) for field in to_arrow(given).schema]


def _of_type(name: str, kind: str) -> dict[str, Any]:
    """`DECIMAL(18,2)` says its storage too; a list or a struct is told as a frame."""
    return {"name": name, "type": kind.partition("(")[0], **({"storage": kind} if "(" in kind else {})}


def _of_field(field: pa.Field) -> dict[str, Any]:
    kind, storage = _column_type(field.name, field.type)
    return {"name": field.name, "type": kind, **({"storage": storage} if storage else {})}


def _column_type(name: str, kind: pa.DataType) -> tuple[str, str | None]:
    """The gateway's type of a column of Arrow's, and its storage where the type alone does not say it."""
    types = pa.types
    if types.is_dictionary(kind):
        return _column_type(name, kind.value_type)
    if types.is_decimal(kind):
        return "DECIMAL", f"DECIMAL({kind.precision},{kind.scale})"
    if any(fits(kind) for fits in LISTS):
        inner, storage = _column_type(name, kind.value_type)
        return "LIST", f"{storage or USUAL_STORAGE[inner]}[]"
    for fits, found in KINDS:
        if fits(kind):
            return found, None
    raise error_of(
        "BAD_USER_INPUT",
        f'column "{name}" is of Arrow\'s type {kind}, which no column of a table is',
        hint="cast it",
    )


USUAL_STORAGE = {
    "BOOLEAN": "BOOLEAN",
    "INT32": "INTEGER",
    "INT64": "BIGINT",
    "FLOAT64": "DOUBLE",
    "STRING": "VARCHAR",
    "DATE": "DATE",
    "TIMESTAMP": "TIMESTAMP",
}


def _is_small(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind)) and kind.bit_width <= (
        32 if pa.types.is_signed_integer(kind) else 16
    )


def _is_wide(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind)) and kind != pa.uint64()


LISTS = (pa.types.is_list, pa.types.is_large_list, pa.types.is_fixed_size_list, pa.types.is_list_view)
KINDS: list[tuple[Callable[[pa.DataType], bool], str]] = [
    (pa.types.is_boolean, "BOOLEAN"),
    (_is_small, "INT32"),
    (_is_wide, "INT64"),
    (pa.types.is_floating, "FLOAT64"),
    (pa.types.is_string, "STRING"),
    (pa.types.is_large_string, "STRING"),
    (pa.types.is_string_view, "STRING"),
    (pa.types.is_null, "STRING"),
    (pa.types.is_binary, "BYTES"),
    (pa.types.is_large_binary, "BYTES"),
    (pa.types.is_binary_view, "BYTES"),
    (pa.types.is_fixed_size_binary, "BYTES"),
    (pa.types.is_date, "DATE"),
    (pa.types.is_timestamp, "TIMESTAMP"),
]
