"""A dataset: rows that the gateway has computed, or computes, as one file."""

from __future__ import annotations

import datetime
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from typing import IO, Any, Literal

import pyarrow as pa
import pyarrow.parquet as pq

from . import documents
from .catalog import Column, ColumnProfile, read_columns, read_moment, read_record
from .errors import error_of
from .frames import Backend, FrameKind, from_arrow, to_pandas
from .listing import Listing
from .progress import ProgressBar
from .transport import Transport
from .values import normalize, table_of

Format = Literal["parquet", "arrow", "csv", "ndjson"]
ENDED = frozenset({"SUCCEEDED", "FAILED", "CANCELLED"})
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.1, 2.0


class Dataset:
    """Columns, row count and the rows themselves, which are fetched when they are first asked for."""

    def __init__(
        self,
        transport: Transport,
        data: dict[str, Any],
        *,
        progress: bool | None = None,
        not_point_in_time: tuple[str, ...] = (),
    ):
        self.not_point_in_time = not_point_in_time
        """Of a training set that was just asked for: its views without a time, whose rows are those of now."""
        self._transport = transport
        self._data = data
        self._progress = progress
        self._table: pa.Table | None = None

    @property
    def id(self) -> str:
        return str(self._data["id"])

    @property
    def status(self) -> str:
        """QUEUED, RUNNING, SUCCEEDED, FAILED or CANCELLED."""
        return str(self._data["status"])

    @property
    def columns(self) -> tuple[Column, ...]:
        return read_columns(self._data["columns"])

    @property
    def row_count(self) -> int | None:
        return None if self._data["rowCount"] is None else int(self._data["rowCount"])

    @property
    def error(self) -> str | None:
        return None if self._data["error"] is None else str(self._data["error"])

    @property
    def created_at(self) -> datetime.datetime | None:
        return read_moment(self._data["createdAt"])

    @property
    def as_of(self) -> datetime.datetime | None:
        """The moment that a statement with as_of() was asked about."""
        return read_moment(self._data["asOf"])

    @property
    def elapsed_ms(self) -> float | None:
        return None if self._data["elapsedMs"] is None else float(self._data["elapsedMs"])

    @property
    def query(self) -> str | None:
        """The saved query that it was made by, as name@version."""
        made_by = self._data["query"]
        return None if made_by is None else f"{made_by['name']}@{made_by['version']}"

    def __repr__(self) -> str:
        rows = "" if self.row_count is None else f", {self.row_count:,} rows × {len(self.columns)} columns"
        return f"<Dataset {self.id} {self.status}{rows}>"

    def __len__(self) -> int:
        return self.wait().row_count or 0

    def refresh(self) -> Dataset:
        """As it stands now."""
        data = self._transport.graphql(documents.DATASET_BY_ID, {"id": self.id}, again=True)["dataset"]
        if data is None:
            raise error_of(
                "NOT_FOUND", f"there is no dataset {self.id}; it was deleted, or is beyond its retention"
            )
        self._data = data
        return self

    def wait(self) -> Dataset:
        """Until it is made, with a bar. To interrupt it (Ctrl-C, a notebook's stop) cancels it."""
        pause = FIRST_PAUSE_SECONDS
        try:
            with ProgressBar(f"dataset {self.id}", self._progress) as bar:
                while self.status not in ENDED:
                    bar.show(self._data["progress"], self.status.lower())
                    time.sleep(pause)
                    pause = min(pause * 1.5, LONGEST_PAUSE_SECONDS)
                    self.refresh()
        except KeyboardInterrupt:
            self.cancel()
            raise
        if self.status == "CANCELLED":
            raise error_of("CONFLICT", f"dataset {self.id} was cancelled")
        if self.status == "FAILED":
            raise error_of(self._data["errorCode"] or "INTERNAL", self.error or f"dataset {self.id} failed")
        return self

    def cancel(self) -> None:
        self._transport.graphql(documents.CANCEL_JOB, {"id": self.id}, again=True)

    def delete(self) -> None:
        """Takes it away with its files."""
        self._transport.graphql(documents.DELETE_DATASET, {"id": self.id}, again=True)

    def to_arrow(self) -> pa.Table:
        """All rows. A column has the type that the gateway says it has, in every dataset and online."""
        if self._table is None:
            columns = [(column.name, column.type) for column in self.wait().columns]
            with tempfile.TemporaryFile() as file:
                self._fetch("parquet", file)
                file.seek(0)
                self._table = normalize(pq.read_table(file), columns).replace_schema_metadata(None)
        return self._table

    def to_pandas(self, dtype_backend: Backend | None = None) -> Any:
        """As pandas has it: NumPy's types where nothing is lost by that, or `dtype_backend`'s."""
        return to_pandas(self.to_arrow(), dtype_backend)

    def to_polars(self) -> Any:
        return self.to("polars")

    def to(self, kind: FrameKind) -> Any:
        return from_arrow(self.to_arrow(), kind)

    def head(self, n: int = 5) -> pa.Table:
        """The first rows, without its file."""
        columns = [(column.name, column.type) for column in self.wait().columns]
        given = {"id": self.id, "limit": n}
        data = self._transport.graphql(documents.DATASET_ROWS, given, again=True)["dataset"]
        return table_of(data["rows"], columns)

    def batches(self, rows: int = 65_536) -> Iterator[pa.Table]:
        """All rows, so many at a time: for what memory does not hold at once."""
        columns = [(column.name, column.type) for column in self.wait().columns]
        with tempfile.TemporaryFile() as file:
            self._fetch("parquet", file)
            for batch in pq.ParquetFile(file).iter_batches(rows):
                table = pa.Table.from_batches([batch])
                yield normalize(table, columns).replace_schema_metadata(None)

    def save(self, path: str | os.PathLike[str], format: Format | None = None) -> None:
        """Writes its file. The format is that of the path's ending, unless it is told."""
        ending = format or os.path.splitext(path)[1].removeprefix(".")
        known = {
            "parquet": "parquet",
            "arrow": "arrow",
            "feather": "arrow",
            "csv": "csv",
            "ndjson": "ndjson",
            "jsonl": "ndjson",
        }
        if ending not in known:
            message = f"{os.fspath(path)} ends in no known format; expected one of {', '.join(known)}"
            raise error_of("BAD_USER_INPUT", message)
        self.wait()
        with tempfile.TemporaryFile() as file:
            self._fetch(known[ending], file)
            file.seek(0)
            with open(path, "wb") as target:
                shutil.copyfileobj(file, target)

    def log(self) -> list[str]:
        """What its ETL has said by console."""
        data = self._transport.graphql(documents.DATASET_LOG, {"id": self.id}, again=True)["dataset"]
        return list(data["log"])

    def profile(self) -> Listing[ColumnProfile]:
        """Of each column how many nulls, about how many values, the least and the greatest."""
        self.wait()
        data = self._transport.graphql(documents.DATASET_PROFILE, {"id": self.id}, again=True)["dataset"]
        return Listing(read_record(ColumnProfile, column) for column in data["profile"] or ())

    def origin(self) -> dict[str, Any]:
        """Of a training set its spine, and its references with versions and commits."""
        data = self._transport.graphql(documents.DATASET_ORIGIN, {"id": self.id}, again=True)["dataset"]
        return {"spine": data["spine"], "references": data["references"]}

    def remake(self) -> Dataset:
        """The same rows once more, from the same history, as a dataset of its own."""
        data = self._transport.graphql(documents.REMAKE_DATASET, {"id": self.id}, again=False)
        return Dataset(self._transport, data["remakeDataset"], progress=self._progress)

    def _fetch(self, format: str, file: IO[bytes]) -> None:
        self._transport.download(f"/datasets/{self.id}.{format}", file)
