"""Tables in and out: pandas, Polars, Arrow, and whatever speaks Arrow's C stream."""

from __future__ import annotations

import importlib
import io
import sys
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import pyarrow as pa
import pyarrow.parquet as pq

from .errors import MissingPackage, error_of

FrameKind = Literal["pandas", "polars", "arrow"]
Backend = Literal["numpy_nullable", "pyarrow"]


def to_arrow(frame: Any) -> pa.Table:
    """Any table as Arrow's. The named levels of a pandas index are columns too, an index without a name is none."""
    if isinstance(frame, pa.Table):
        return frame
    pandas = sys.modules.get("pandas")
    if pandas is not None and isinstance(frame, pandas.DataFrame):
        if any(name is not None for name in frame.index.names):
            frame = frame.reset_index()
        return _pandas_to_arrow(frame)
    if hasattr(frame, "collect") and not hasattr(frame, "__arrow_c_stream__"):
        frame = frame.collect()  # Polars' lazy one
    if hasattr(frame, "__arrow_c_stream__"):
        return pa.table(frame)
    if isinstance(frame, Mapping):
        return pa.table(dict(frame))
    if isinstance(frame, Sequence) and not isinstance(frame, (str, bytes)):
        return pa.Table.from_pylist([dict(row) for row in frame])
    raise error_of(
        "BAD_USER_INPUT",
        f"given a {type(frame).__name__}, expected a pandas or Polars DataFrame, an Arrow table, or rows as dicts",
    )


def _pandas_to_arrow(frame: Any) -> pa.Table:
    try:
        table = pa.Table.from_pandas(frame, preserve_index=False)
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        message = "; ".join(str(each) for each in error.args)
        hint = "a column holds values of several types: give it one by astype()"
        raise error_of("BAD_USER_INPUT", message, hint=hint) from error
    return table.replace_schema_metadata(None)


def to_parquet(frame: Any) -> io.BytesIO:
    """A frame as the file that travels: the same frame is the same bytes, so that a retry is told as one."""
    file = io.BytesIO()
    table = to_arrow(frame)
    # The gateway's times have microseconds; what would lose digits is refused rather than cut.
    coerced = "us" if any(pa.types.is_timestamp(field.type) for field in table.schema) else None
    try:
        pq.write_table(table, file, coerce_timestamps=coerced, compression="zstd")
    except pa.ArrowInvalid as error:
        hint = "round them first: frame[column].dt.floor('us')"
        message = f"times have nanoseconds, which the gateway does not keep: {error}"
        raise error_of("BAD_USER_INPUT", message, hint=hint) from error
    file.seek(0)
    return file


def from_arrow(table: pa.Table, kind: FrameKind) -> Any:
    """The table as a frame of this kind."""
    if kind == "arrow":
        return table
    if kind == "pandas":
        return to_pandas(table)
    if kind == "polars":
        return require("polars").from_arrow(table)
    raise error_of("BAD_USER_INPUT", f"as_ is {kind!r}; expected 'pandas', 'polars' or 'arrow'")


def to_pandas(table: pa.Table, backend: Backend | None = None) -> Any:
    """As NumPy's types where nothing is lost by that: integers and booleans with nulls are pandas' nullable ones."""
    pandas = require("pandas")
    if backend == "pyarrow":
        return table.to_pandas(types_mapper=pandas.ArrowDtype)
    nullable = {
        pa.int8(): pandas.Int8Dtype(),
        pa.int16(): pandas.Int16Dtype(),
        pa.int32(): pandas.Int32Dtype(),
        pa.int64(): pandas.Int64Dtype(),
        pa.bool_(): pandas.BooleanDtype(),
    }
    if backend == "numpy_nullable":
        everything = {**nullable, pa.float64(): pandas.Float64Dtype(), pa.string(): pandas.StringDtype()}
        return table.to_pandas(types_mapper=everything.get)
    columns = {
        name: column.to_pandas(types_mapper=nullable.get if column.null_count else None)
        for name, column in zip(table.column_names, table.columns, strict=True)
    }
    return pandas.DataFrame(columns, index=pandas.RangeIndex(table.num_rows))


def beside(spine: Any, table: pa.Table, kind: FrameKind) -> Any:
    """
    A training set of a frame's rows: the frame's own columns as they are, each with its type, its index where it is
    pandas', and what the gateway added to them.
    """
    pandas = sys.modules.get("pandas")
    if kind != "pandas" or pandas is None or not isinstance(spine, pandas.DataFrame):
        return from_arrow(table, kind)
    named = [name for name in spine.index.names if name is not None]
    own = {str(name) for name in spine.columns} | {str(name) for name in named}
    added = to_pandas(table.select([name for name in table.column_names if name not in own]))
    added.index = spine.index
    return pandas.concat([spine, added], axis=1)


def require(name: str) -> Any:
    """An optional package."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        hint = f"pip install 'feature-gateway[{name}]', or ask for as_='arrow'"
        raise MissingPackage("MISSING_PACKAGE", f"{name} is not installed", hint=hint) from error
