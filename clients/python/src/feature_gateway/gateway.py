"""The gateway as a notebook uses it: each thing that a data scientist wants in a line."""

from __future__ import annotations

import datetime
import os
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Literal

from . import documents, lookups, training_sets, vectors, writing
from .browsing import Browsing
from .catalog import (
    Etl,
    SavedQuery,
    Service,
    Table,
    View,
    read_query,
    read_service,
    read_view,
)
from .dataset import Dataset
from .errors import error_of
from .frames import FrameKind, beside
from .references import read_references
from .transport import Transport
from .values import moment_text

Answer = Literal["pandas", "polars", "arrow", "dataset"]
Refresh = Literal["AUTO", "BY_KEY", "FULL", "MANUAL"]
Seconds = int | datetime.timedelta
Moment = datetime.datetime | str
# The first answer comes so late at most: what is ready by then needs no bar.
FIRST_WAIT_MS = 500


class Gateway(Browsing):
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
        transport = Transport(
            url or os.environ.get("GATEWAY_URL") or "http://127.0.0.1:4000",
            token=api_key or os.environ.get("GATEWAY_TOKEN"),
            timeout=timeout,
            retries=retries,
            ca_certs=ca_certs,
            agent=f"feature-gateway-python/{_own_version()}",
        )
        super().__init__(transport, progress)
        self._frames: FrameKind = frames

    def __repr__(self) -> str:
        return f"Gateway({self._transport.url!r})"

    def __enter__(self) -> Gateway:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Ends its connections."""
        self._transport.close()

    # To train

    def query(self, sql: str, *, as_of: Moment | None = None, as_: Answer | None = None) -> Any:
        """The rows of a SELECT; nothing is saved. What calls as_of() is asked about a moment, now unless told."""
        return self._answer(self._train(sql, name="query", save=False, as_of=as_of)[1], as_)

    def save(
        self,
        name: str,
        sql: str,
        *,
        description: str | None = None,
        tags: Sequence[str] | None = None,
        as_of: Moment | None = None,
    ) -> SavedQuery:
        """
        Saves a SELECT under a name: the same SQL is the same version, other SQL the next. Its rows are `dataset` of the
        answer.
        """
        query, dataset = self._train(
            sql, name=name, save=True, description=description, tags=tags, as_of=as_of
        )
        return read_query(query, dataset)

    def extract(
        self,
        query: SavedQuery | str,
        etl: Etl | str,
        *,
        name: str | None = None,
        as_of: Moment | None = None,
        as_: Answer | None = None,
    ) -> Any:
        """A saved query's rows through an ETL ("git::…", "file:…", or one of the catalog), which is saved."""
        variables = {
            "queryId": _id(query),
            "etlPath": _id(etl),
            "etlName": name,
            "save": True,
            "asOf": moment_text(as_of),
            "waitMs": FIRST_WAIT_MS,
        }
        data = self._transport.graphql(documents.EXTRACT_TRAIN, variables, again=False)["extractTrain"]
        return self._answer(self._dataset(data["dataset"]), as_)

    def training_set(
        self,
        spine: Any,
        features: Any = None,
        *,
        service: Service | str | None = None,
        timestamp: str = "event_timestamp",
        full_names: bool = False,
        known_as_of: bool = False,
        name: str | None = None,
        as_: Answer | None = None,
    ) -> Any:
        """
        A spine's rows, in their order, with the features as they were at the time of each: a frame, a file, SQL, a saved
        query or a dataset with the index keys, the time, and whatever else passes through. Features are "view:feature" or
        "view" for all, or features_of(…); or those of a service. With `known_as_of` corrections that were written later
        are not seen. A frame of pandas keeps its columns' types and its index.
        """
        options = {
            "timestampColumn": timestamp,
            "fullNames": full_names,
            "knownAsOf": known_as_of,
            "name": name,
        }
        dataset = training_sets.create(
            self._transport,
            spine,
            self._asked(service, features),
            options,
            wait_ms=FIRST_WAIT_MS,
            progress=self._progress,
        )
        if as_ == "dataset" or not training_sets.is_frame(spine):
            return self._answer(dataset, as_)
        return beside(spine, dataset.to_arrow(), as_ or self._frames)

    # To serve

    def view(
        self,
        name: str,
        query: SavedQuery | str,
        keys: str | Sequence[str],
        *,
        etl: Etl | str | None = None,
        timestamp: str | None = None,
        created: str | None = None,
        ttl: Seconds | None = None,
        event_ttl: Seconds | None = None,
        refresh: Refresh = "AUTO",
        refresh_every: str | None = None,
        lateness: str = "1h",
        description: str | None = None,
        owner: str | None = None,
        tags: Sequence[str] | None = None,
        features: Mapping[str, str] | None = None,
    ) -> View:
        """
        Serves a saved query online by one column or several: a feature view. With `timestamp` it is one in time: the
        newest row whose time has come is served, and training sets join the one that was the newest then; with
        `event_ttl` no row that is older. `etl` may be where it lives. `features` says of each what it is.
        """
        variables = {
            "name": name,
            "queryId": _id(query),
            "etlPath": None if etl is None else _id(etl),
            "indexKeys": [keys] if isinstance(keys, str) else list(keys),
            "timestampColumn": timestamp,
            "createdColumn": created,
            "ttlSeconds": _seconds(ttl),
            "eventTtlSeconds": _seconds(event_ttl),
            "refresh": refresh,
            "refreshEvery": refresh_every,
            "lateness": lateness,
            "description": description,
            "owner": owner,
            "tags": None if tags is None else list(tags),
            "features": [{"feature": each, "description": words} for each, words in (features or {}).items()],
        }
        data = self._transport.graphql(documents.CREATE_VIEW, variables, again=True)
        return read_view(data["createFeatureView"])

    def update_view(self, view: View | str, **changes: Any) -> View:
        """Changes `ttl`, `event_ttl`, `refresh_every`, `description`, `owner`, `tags` or `features`; None takes away."""
        self._transport.call(
            "PATCH", f"/feature-views/{_id(view)}", writing.view_changes(changes), again=True
        )
        return read_view(
            self._transport.graphql(documents.VIEW_BY_ID, {"id": _id(view)}, again=True)["featureView"]
        )

    def delete_view(self, view: View | str) -> None:
        """Takes a feature view away, by its name or its id too, and its rows from the online store."""
        named = None
        if isinstance(view, str):
            named = self._transport.graphql(documents.VIEW_BY_NAME, {"name": view}, again=True)["featureView"]
        viewed = _id(view) if named is None else named["id"]
        self._transport.graphql(documents.DELETE_VIEW, {"id": viewed}, again=True)

    def service(
        self,
        name: str,
        features: Any,
        *,
        etl: Etl | str | None = None,
        request: Any = None,
        description: str | None = None,
        owner: str | None = None,
        tags: Sequence[str] | None = None,
    ) -> Service:
        """
        Features of several views under a name, for one model; other content is the next version. An ETL on top sees the
        joined row and the columns that a request brings besides: {"amount": "DECIMAL(18,2)"}.
        """
        variables = {
            "name": name,
            "features": read_references(features),
            "etlPath": None if etl is None else _id(etl),
            "requestColumns": None if request is None else writing.columns_of(request),
            "description": description,
            "owner": owner,
            "tags": None if tags is None else list(tags),
        }
        data = self._transport.graphql(documents.CREATE_SERVICE, variables, again=True)
        return read_service(data["createFeatureService"])

    def delete_service(self, service: Service | str) -> None:
        """Takes one version of a feature service away, given as it is or by its id."""
        self._transport.graphql(documents.DELETE_SERVICE, {"id": _id(service)}, again=True)

    def online(
        self,
        entities: Any,
        features: Any = None,
        *,
        service: Service | str | None = None,
        as_of: Moment | None = None,
        full_names: bool = False,
        errors: Literal["raise", "null"] = "raise",
        as_: Literal["pandas", "polars", "arrow", "vectors"] | None = None,
    ) -> Any:
        """
        The features of entities, now (or as of a moment): a row for each, in their order, with the names and the types of
        training. Entities are a frame or dicts of index keys, and of the columns that a service's request brings. What
        fails is raised, or null; as_="vectors" tells of each entity what it has, of what age, and what failed.
        """
        asked = self._asked(service, features)
        rows = vectors.rows_of(entities)
        found = vectors.online(self._transport, asked, rows, as_of=as_of, full_names=full_names)
        if as_ == "vectors":
            return found
        return vectors.in_frame(found, entities, asked.types(), as_ or self._frames, errors)

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

    def table_changed(self, table: str, keys: Sequence[Mapping[str, Any]] | None = None) -> list[str]:
        """Others have written to the table, to rows of these keys where they are given: the views that follow it."""
        return writing.table_changed(self._transport, table, keys)

    def erase_entity(self, key: str, value: Any) -> writing.Written:
        """Takes one entity's rows from every table that takes rows, and from online; needs the scope `erase`."""
        return writing.erase_entity(self._transport, key, value, self._progress)

    def _train(
        self,
        sql: str,
        *,
        name: str,
        save: bool,
        description: str | None = None,
        tags: Sequence[str] | None = None,
        as_of: Moment | None = None,
    ) -> tuple[dict[str, Any], Dataset]:
        variables: dict[str, Any] = {
            "query": sql,
            "queryName": name,
            "save": save,
            "asOf": moment_text(as_of),
            "waitMs": FIRST_WAIT_MS,
        }
        # Left out, a saved query keeps its own.
        if description is not None:
            variables["description"] = description
        if tags is not None:
            variables["tags"] = list(tags)
        data = self._transport.graphql(documents.QUERY_TRAIN, variables, again=not save)["queryTrain"]
        return data["query"], self._dataset(data["dataset"])

    def _asked(self, service: Service | str | None, features: Any) -> vectors.Asked:
        references = None if features is None else read_references(features)
        return vectors.Asked(self._transport, service, references)

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
