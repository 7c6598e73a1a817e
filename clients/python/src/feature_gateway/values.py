"""Values as the gateway's JSON writes them, as Arrow holds them, and as keys are spelled."""

from __future__ import annotations

import base64
import datetime
import decimal
import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

# What each type of column is in Arrow, in training sets and online alike. DECIMAL, LIST and STRUCT are as their values say.
ARROW_TYPES: dict[str, pa.DataType] = {
    "BOOLEAN": pa.bool_(),
    "INT32": pa.int32(),
    "INT64": pa.int64(),
    "FLOAT64": pa.float64(),
    "STRING": pa.string(),
    "BYTES": pa.binary(),
    "DATE": pa.date32(),
    "TIMESTAMP": pa.timestamp("us", tz="UTC"),
    "JSON": pa.string(),
}

# Beyond, JSON's readers lose digits, and the gateway takes and gives texts.
LARGEST_NUMBER = 2**53


def to_json(value: Any) -> Any:
    """A value of a frame, a key or a request column, as JSON has it. Times without a zone are UTC."""
    if value is None or isinstance(value, (bool, str)):
        return str(value) if isinstance(value, str) else value
    if type(value).__module__ == "numpy":
        value = value.astype("datetime64[us]").tolist() if value.dtype.kind == "M" else value.tolist()
    if value is None or _is_missing(value):
        return None
    if isinstance(value, bool):
        return value
    if isinstance(value, int):
        return value if abs(value) <= LARGEST_NUMBER else str(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, decimal.Decimal):
        return str(value)
    if isinstance(value, datetime.datetime):
        return _moment(value)
    if isinstance(value, datetime.date):
        return value.isoformat()
    if isinstance(value, (bytes, bytearray)):
        return base64.b64encode(value).decode()
    if isinstance(value, Mapping):
        return {str(name): to_json(each) for name, each in value.items()}
    if isinstance(value, Sequence):
        return [to_json(each) for each in value]
    return str(value)


def _is_missing(value: Any) -> bool:
    """NaN, and pandas' NaT and NA."""
    try:
        return not isinstance(value, (Sequence, Mapping)) and bool(value != value)
    except TypeError:
        return type(value).__name__ == "NAType"


def _moment(value: datetime.datetime) -> str:
    zoned = value if value.tzinfo is not None else value.replace(tzinfo=datetime.timezone.utc)
    utc = zoned.astimezone(datetime.timezone.utc)
    return utc.strftime("%Y-%m-%dT%H:%M:%S.%fZ").rjust(27, "0")


def moment_text(moment: datetime.datetime | str | None) -> str | None:
    """A moment as an argument: a text goes as it is."""
    return _moment(moment) if isinstance(moment, datetime.datetime) else moment


def key_text(key: str | Sequence[str]) -> str:
    """An index key as the gateway spells it: of several columns a JSON array of their names."""
    return key if isinstance(key, str) else json.dumps(list(key))


def key_value_text(value: Any) -> str:
    """A value of an index key: of several columns a JSON array of theirs."""
    plain = to_json(value)
    if isinstance(plain, str):
        return plain
    return json.dumps(plain, separators=(",", ":"), ensure_ascii=False)


def array_of(values: Sequence[Any], column_type: str) -> pa.Array:
    """JSON's values as a column of the gateway's type."""
    arrow = ARROW_TYPES.get(column_type)
    present = [value for value in values if value is not None]
    if column_type == "DECIMAL":
        exact = [None if each is None else decimal.Decimal(str(each)) for each in values]
        return pa.array(exact, None if present else pa.decimal128(38))
    if column_type == "JSON":
        return pa.array([None if each is None else _compact(each) for each in values], arrow)
    if column_type == "BYTES":
        return pa.array([None if each is None else base64.b64decode(each) for each in values], arrow)
    if column_type in ("DATE", "TIMESTAMP"):
        return pa.array(values, pa.string()).cast(arrow)
    if column_type == "INT64" and any(isinstance(value, str) for value in present):
        return pa.array([None if each is None else int(each) for each in values], arrow)
    if column_type == "STRING" and not all(isinstance(value, str) for value in present):
        return pa.array(values)  # an ETL's that was null when it was tried, and declares no type
    return pa.array(values, arrow)


def table_of(rows: Sequence[Mapping[str, Any]], columns: Sequence[tuple[str, str]]) -> pa.Table:
    """JSON's rows as a table of these columns, by name and type."""
    arrays = [array_of([row.get(name) for row in rows], kind) for name, kind in columns]
    return pa.Table.from_arrays(arrays, names=[name for name, _ in columns])


def normalize(table: pa.Table, columns: Sequence[tuple[str, str]]) -> pa.Table:
    """A dataset's Parquet holds what the warehouse has: a type alike everywhere is better than a narrow one."""
    for at, (name, kind) in enumerate(columns):
        arrow = ARROW_TYPES.get(kind)
        column = table.column(at)
        if isinstance(column.type, pa.BaseExtensionType):
            column = pa.chunked_array(
                [chunk.storage for chunk in column.chunks], type=column.type.storage_type
            )
        if arrow is not None and column.type != arrow:
            column = column.cast(arrow)
        table = table.set_column(at, name, column)
    return table


def _compact(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)
