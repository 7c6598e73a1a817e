"""Training sets: a spine's rows with the features as they were at the time of each."""

from __future__ import annotations

import os
import warnings
from typing import Any

import pyarrow as pa
import pyarrow.csv
import pyarrow.feather
import pyarrow.parquet

from . import documents
from .catalog import SavedQuery
from .dataset import Dataset
from .errors import error_of
from .transport import Transport
from .values import to_json
from .vectors import Asked, rows_of


class NotPointInTimeWarning(UserWarning):
    """Views without a time joined a training set: their rows are those of now, not of then."""


def create(
    transport: Transport,
    spine: Any,
    asked: Asked,
    options: dict[str, Any],
    *,
    wait_ms: int,
    progress: bool | None,
) -> Dataset:
    """The dataset, which may be under way."""
    variables = {"spine": _spine(spine), **asked.variables, **options, "waitMs": wait_ms}
    payload = transport.graphql(documents.CREATE_TRAINING_SET, variables, again=False)["createTrainingSet"]
    without_time = tuple(payload["notPointInTime"])
    if without_time:
        message = f"not point in time, since they have no timestamp column: {', '.join(without_time)}"
        warnings.warn(message, NotPointInTimeWarning, stacklevel=3)
    return Dataset(transport, payload["dataset"], progress=progress, not_point_in_time=without_time)


def read_spine(spine: Any) -> Any:
    """What the gateway has already, as it is; rows of the caller's, or of a file, as a frame."""
    if isinstance(spine, os.PathLike):
        return _read_file(os.fspath(spine))
    return spine


def is_frame(spine: Any) -> bool:
    """Rows that travel with the request."""
    return not isinstance(spine, (str, SavedQuery, Dataset))


def _spine(spine: Any) -> dict[str, Any]:
    if isinstance(spine, str):
        return {"sql": spine}
    if isinstance(spine, SavedQuery):
        return {"queryId": spine.id}
    if isinstance(spine, Dataset):
        return {"datasetId": spine.id}
    return {"rows": [{name: to_json(value) for name, value in row.items()} for row in rows_of(spine)]}


def _read_file(path: str) -> pa.Table:
    ending = os.path.splitext(path)[1].lower()
    if ending == ".parquet":
        return pyarrow.parquet.read_table(path)
    if ending == ".csv":
        return pyarrow.csv.read_csv(path)
    if ending in (".arrow", ".feather"):
        return pyarrow.feather.read_table(path)
    raise error_of("BAD_USER_INPUT", f"{path} ends in no known format; expected .parquet, .arrow or .csv")
