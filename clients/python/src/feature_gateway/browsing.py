"""What there is: tables, and what the catalog holds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from . import documents
from .catalog import (
    Etl,
    SavedQuery,
    Service,
    Table,
    View,
    read_etl,
    read_listing,
    read_query,
    read_service,
    read_table,
    read_view,
)
from .dataset import Dataset
from .errors import error_of
from .listing import Listing
from .transport import Transport


class Browsing:
    """The part of a gateway that only looks."""

    def __init__(self, transport: Transport, progress: bool | None):
        self._transport = transport
        self._progress = progress

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

    def services(self, search: str | None = None) -> Listing[Service]:
        """Feature services, the newest first."""
        return read_listing(
            self._transport, documents.SERVICES, "featureServices", read_service, search=search
        )

    def datasets(self) -> list[Dataset]:
        """Datasets, the newest first."""
        return read_listing(self._transport, documents.DATASETS, "datasets", self._dataset)

    def dataset(self, id: str) -> Dataset:
        """A dataset by its id."""
        data = self._transport.graphql(documents.DATASET_BY_ID, {"id": id}, again=True)["dataset"]
        if data is None:
            raise error_of("NOT_FOUND", f"there is no dataset {id!r}")
        return self._dataset(data)

    def _dataset(self, data: Mapping[str, Any]) -> Dataset:
        return Dataset(self._transport, dict(data), progress=self._progress)
