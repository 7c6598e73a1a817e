"""The gateway as a notebook uses it: each thing that a data scientist wants in a line."""

from __future__ import annotations

import datetime
import os
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Literal

from . import documents, lookups, writing
from .catalog import Etl, SavedQuery, Table, View, read_etl, read_listing, read_query, read_table, read_view
from .dataset import Dataset
from .errors import error_of
from .frames import FrameKind
from .listing import Listing
from .transport import Transport

Answer = Literal["pandas", "polars", "arrow", "dataset"]
Refresh = Literal["AUTO", "BY_KEY", "FULL", "MANUAL"]
Seconds = int | datetime.timedelta
# The first answer comes so late at most: what is ready by then needs no bar.
FIRST_WAIT_MS = 500


class Gateway:
    """
    A feature gateway. `url` and `api_key` are those of GATEWAY_URL and GATEWAY_TOKEN unless given. `frames` is what
    results are unless a call asks otherwise (`as_`): "pandas", "polars" or "arrow". `progress` False draws no bars, True
    draws them also where nobody seems to look. A request may take `timeout` seconds; what can be sent again without harm
    is, up to `retries` times.
    """

    def __init__(
        self,
        url: str | None = None,
        *,
        api_key: str | None = None,
        frames: FrameKind = "pandas",
        progress: bool | None = None,
        timeout: float = 60.0,
        retries: int = 4,
        ca_certs: str | None = None,
    ):
        self._transport = Transport(
            url or os.environ.get("GATEWAY_URL") or "http://127.0.0.1:4000",
            token=api_key or os.environ.get("GATEWAY_TOKEN"),
            timeout=timeout,
            retries=retries,
            ca_certs=ca_certs,
            agent=f"feature-gateway-python/{_own_version()}",
        )
        self._frames: FrameKind = frames
        self._progress = progress

    def __repr__(self) -> str:
        return f"Gateway({self._transport.url!r})"

    def __enter__(self) -> Gateway:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Ends its connections."""
        self._transport.close()

    # What there is

    def tables(self, search: str | None = None) -> Listing[Table]:
        """The tables that SQL may read, with their columns."""
        return read_listing(self._transport, documents.TABLES, "tables", read_table, search=search)

    def queries(self, search: str | None = None) -> Listing[SavedQuery]:
        """Saved queries, the newest first."""
        return read_listing(
            self._transport, documents.SAVED_QUERIES, "savedQueries", read_query, search=search
        )

    def etls(self, search: str | None = None) -> Listing[Etl]:
        """ETLs, the newest first."""
        return read_listing(self._transport, documents.ETLS, "etls", read_etl, search=search)

    def views(self) -> Listing[View]:
        """Feature views, the newest first."""
        return read_listing(self._transport, documents.VIEWS, "featureViews", read_view)

    def datasets(self) -> list[Dataset]:
        """Datasets, the newest first."""
        return read_listing(self._transport, documents.DATASETS, "datasets", self._dataset)

    def dataset(self, id: str) -> Dataset:
        """A dataset by its id."""
        data = self._transport.graphql(documents.DATASET_BY_ID, {"id": id}, again=True)["dataset"]
        if data is None:
            raise error_of("NOT_FOUND", f"there is no dataset {id!r}")
        return self._dataset(data)

    # To train

    def query(self, sql: str, *, as_: Answer | None = None) -> Any:
        """The rows of a SELECT; nothing is saved."""
        return self._answer(self._train(sql, name="query", save=False)[1], as_)

    def save(
        self, name: str, sql: str, *, description: str | None = None, tags: Sequence[str] | None = None
    ) -> SavedQuery:
        """
        Saves a SELECT under a name: the same SQL is the same version, other SQL the next. Its rows are `dataset` of the
        answer.
        """
        query, dataset = self._train(sql, name=name, save=True, description=description, tags=tags)
        return read_query(query, dataset)

    def extract(
        self, query: SavedQuery | str, etl: Etl | str, *, name: str | None = None, as_: Answer | None = None
    ) -> Any:
        """A saved query's rows through an ETL ("git::…", "file:…", or one of the catalog), which is saved."""
        variables = {
            "queryId": _id(query),
            "etlPath": _id(etl),
            "etlName": name,
            "save": True,
            "waitMs": FIRST_WAIT_MS,
        }
        data = self._transport.graphql(documents.EXTRACT_TRAIN, variables, again=False)["extractTrain"]
        return self._answer(self._dataset(data["dataset"]), as_)

    # To serve

    def view(
        self,
        name: str,
        query: SavedQuery | str,
        keys: str | Sequence[str],
        *,
        etl: Etl | str | None = None,
        created: str | None = None,
        ttl: Seconds | None = None,
        refresh: Refresh = "AUTO",
        refresh_every: str | None = None,
        lateness: str = "1h",
    ) -> View:
        """Serves a saved query online by one column or several: a feature view."""
        variables = {
            "name": name,
            "queryId": _id(query),
            "etlId": None if etl is None else _id(etl),
            "indexKeys": [keys] if isinstance(keys, str) else list(keys),
            "createdColumn": created,
            "ttlSeconds": _seconds(ttl),
            "refresh": refresh,
            "refreshEvery": refresh_every,
            "lateness": lateness,
        }
        data = self._transport.graphql(documents.CREATE_VIEW, variables, again=True)
        return read_view(data["createFeatureView"])

    def delete_view(self, view: View | str) -> None:
        """Takes a feature view away, and its rows from the online store."""
        self._transport.graphql(documents.DELETE_VIEW, {"id": _id(view)}, again=True)

    def parity(self, view: View | str, *, sample: int = 100) -> dict[str, Any]:
        """Compares training and serving for sampled entities; it must find no difference."""
        variables = {"featureViewId": _id(view), "sample": sample}
        parity: dict[str, Any] = self._transport.graphql(documents.PARITY, variables, again=True)["parity"]
        return parity

    def lookup(
        self, query: SavedQuery | str, key: str | Sequence[str], values: Any, *, etl: Etl | str | None = None
    ) -> Any:
        """
        A saved query's rows for one value of an index key, now, or for a list of values; with `etl` through it. Of a key
        of several columns a value is a tuple. The answer says status and rows, and turns into frames.
        """
        return lookups.look_up(self._transport, query, key, values, etl)

    # To write

    def create_table(self, name: str, columns: Any) -> Table:
        """A table with the columns of a frame, or of {"name": "TYPE"}. One that is there with these columns is answered."""
        return writing.create_table(self._transport, name, columns)

    def ingest(
        self, table: str, rows: Any, *, idempotency_key: str | None = None, wait: bool = True
    ) -> writing.Written:
        """
        Writes a frame's rows, or a file's, to a table: all of them, or none. It is answered once they are served by the
        views that follow their tables by key. With an idempotency key the same call again, a week long, is the same rows.
        """
        return writing.ingest(
            self._transport, table, rows, idempotency_key=idempotency_key, wait=wait, progress=self._progress
        )

    def _train(
        self,
        sql: str,
        *,
        name: str,
        save: bool,
        description: str | None = None,
        tags: Sequence[str] | None = None,
    ) -> tuple[dict[str, Any], Dataset]:
        variables: dict[str, Any] = {"query": sql, "queryName": name, "save": save, "waitMs": FIRST_WAIT_MS}
        # Left out, a saved query keeps its own.
        if description is not None:
            variables["description"] = description
        if tags is not None:
            variables["tags"] = list(tags)
        data = self._transport.graphql(documents.QUERY_TRAIN, variables, again=not save)["queryTrain"]
        return data["query"], self._dataset(data["dataset"])

    def _dataset(self, data: Mapping[str, Any]) -> Dataset:
        return Dataset(self._transport, dict(data), progress=self._progress)

    def _answer(self, dataset: Dataset, as_: Answer | None) -> Any:
        if as_ == "dataset":
            return dataset.wait()
        return dataset.to(as_ or self._frames)


def _id(thing: Any) -> str:
    return thing if isinstance(thing, str) else str(thing.id)


def _seconds(given: Seconds | None) -> int | None:
    if not isinstance(given, datetime.timedelta):
        return given
    if given.microseconds:
        raise error_of("BAD_USER_INPUT", f"given {given}, expected whole seconds")
    return given.days * 86_400 + given.seconds


def _own_version() -> str:
    try:
        return version("feature-gateway")
    except PackageNotFoundError:
        return "dev"
