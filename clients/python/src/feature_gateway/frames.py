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
    try:
        return _to_arrow(frame)
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        message = "; ".join(str(each) for each in error.args)
        hint = "a column holds values of several types: give it one, by astype() in pandas"
        raise error_of("BAD_USER_INPUT", message, hint=hint) from error


def _to_arrow(frame: Any) -> pa.Table:
    if isinstance(frame, pa.Table):
        return frame
    pandas = sys.modules.get("pandas")
    if pandas is not None and isinstance(frame, pandas.DataFrame):
        if any(name is not None for name in frame.index.names):
            frame = frame.reset_index()
        return pa.Table.from_pandas(frame, preserve_index=False).replace_schema_metadata(None)
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


def to_parquet(frame: Any) -> io.BytesIO:
    """
    A frame as the file that travels. The same values are the same bytes, of whatever library and version they come, so
    that a retry is told as one: how wide Arrow has a text is not written down.
    """
    file = io.BytesIO()
    table = _plain(to_arrow(frame))
    # The gateway's times have microseconds; what would lose digits is refused rather than cut.
    coerced = "us" if any(pa.types.is_timestamp(field.type) for field in table.schema) else None
    try:
        pq.write_table(table, file, coerce_timestamps=coerced, compression="zstd", store_schema=False)
    except pa.ArrowInvalid as error:
        hint = "round them first: frame[column].dt.floor('us')"
        message = f"times have nanoseconds, which the gateway does not keep: {error}"
        raise error_of("BAD_USER_INPUT", message, hint=hint) from error
    file.seek(0)
    return file


def _plain(table: pa.Table) -> pa.Table:
    """In one piece, its texts and bytes of the usual width, all columns nullable."""
    return pa.table(
        [_plain_column(each) for each in table.columns], names=table.column_names
    ).combine_chunks()


def _plain_column(column: pa.ChunkedArray) -> pa.ChunkedArray:
    types = pa.types
    kind = column.type
    if types.is_dictionary(kind):
        # By hand, since Arrow looks up no texts that are views, which Polars has categories in.
        values = pa.chunked_array([each.dictionary for each in column.chunks], kind.value_type)
        places = [each.indices for each in column.chunks]
        texts = _plain_column(values)
        return pa.chunked_array(
            [text.take(at) for text, at in zip(texts.chunks, places, strict=True)], texts.type
        )
    if types.is_large_string(kind) or types.is_string_view(kind):
        return column.cast(pa.string())
    if types.is_large_binary(kind) or types.is_binary_view(kind):
        return column.cast(pa.binary())
    return column


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


def beside(given: Any, answered: pa.Table, kind: FrameKind) -> Any:
    """
    The rows of a frame with what the gateway answered to them, row by row: the frame's own columns stay as they are, each
    with its type, and of pandas its index.
    """
    own = to_arrow(given)
    if answered.num_columns > 0 and answered.num_rows != own.num_rows:
        message = f"{answered.num_rows} rows were answered to {own.num_rows}"
        raise error_of("INTERNAL", message)
    added = answered.drop_columns([name for name in own.column_names if name in answered.column_names])
    pandas = sys.modules.get("pandas")
    if kind == "pandas" and pandas is not None and isinstance(given, pandas.DataFrame):
        return pandas.concat([given, to_pandas(added).set_index(given.index)], axis=1)
    for field, column in zip(added.schema, added.columns, strict=True):
        own = own.append_column(field, column)
    return from_arrow(own, kind)


def require(name: str) -> Any:
    """An optional package."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        hint = f"pip install 'feature-gateway[{name}]', or ask for as_='arrow'"
        raise MissingPackage("MISSING_PACKAGE", f"{name} is not installed", hint=hint) from error
