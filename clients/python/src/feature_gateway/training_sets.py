"""Training sets: a spine's rows with the features as they were at the time of each."""

from __future__ import annotations

import json
import os
import re
import warnings
from typing import Any

from urllib3.filepost import encode_multipart_formdata

from . import documents
from .catalog import SavedQuery
from .dataset import Dataset
from .errors import BadInput, error_of
from .transport import Transport
from .vectors import Asked
from .writing import file_of


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
    if is_frame(spine) or isinstance(spine, os.PathLike):
        try:
            payload = _upload(transport, spine, {**asked.variables, **options}, wait_ms)
        except BadInput as error:
            timestamp = options["timestampColumn"]
            if error.hint is None and f'"{timestamp}" is STRING' in error.message:
                error.hint = f"times of texts are made by pandas.to_datetime(frame[{timestamp!r}], utc=True)"
            raise
    else:
        variables = {"spine": _spine(spine), **asked.variables, **options, "waitMs": wait_ms}
        payload = transport.graphql(documents.CREATE_TRAINING_SET, variables, again=False)[
            "createTrainingSet"
        ]
    without_time = tuple(payload["notPointInTime"])
    if without_time:
        message = f"not point in time, since they have no timestamp column: {', '.join(without_time)}"
        warnings.warn(message, NotPointInTimeWarning, stacklevel=3)
    return Dataset(transport, payload["dataset"], progress=progress, not_point_in_time=without_time)


def is_frame(spine: Any) -> bool:
    """Rows of the caller's own, beside which the features are laid."""
    return not isinstance(spine, (str, os.PathLike, SavedQuery, Dataset))


def _spine(spine: str | SavedQuery | Dataset) -> dict[str, Any]:
    if isinstance(spine, str):
        if re.fullmatch(r"\S+\.(parquet|csv|arrow)", spine):
            hint = f"a text is SQL; the file is pathlib.Path({spine!r})"
            raise error_of("BAD_USER_INPUT", f"the spine {spine!r} is no statement", hint=hint)
        return {"sql": spine}
    return {"queryId": spine.id} if isinstance(spine, SavedQuery) else {"datasetId": spine.id}


def _upload(transport: Transport, spine: Any, request: dict[str, Any], wait_ms: int) -> dict[str, Any]:
    """The request in JSON, and beside it the frame as Parquet, or a file as it is."""
    open_file, content_type, _ = file_of(spine)
    with open_file() as file:
        form: dict[str, Any] = {
            "request": json.dumps(_snake(request)),
            "spine": ("spine", file.read(), content_type),
        }
    body, form_type = encode_multipart_formdata(form)
    answer = transport.call(
        "POST",
        "/training-sets",
        body,
        again=False,
        content_type=form_type,
        query={"wait_ms": str(wait_ms)},
    )
    dataset = transport.graphql(documents.DATASET_BY_ID, {"id": answer["dataset_id"]}, again=True)["dataset"]
    return {"dataset": dataset, "notPointInTime": answer["not_point_in_time"]}


def _snake(request: dict[str, Any]) -> dict[str, Any]:
    """Arguments as REST names them."""
    given = {name: value for name, value in request.items() if value is not None}
    return {
        re.sub(r"[A-Z]", lambda found: f"_{found[0].lower()}", name): value for name, value in given.items()
    }
