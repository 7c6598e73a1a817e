"""Features of entities out of several views, now: as a backend gets them, and in frames as a model takes them."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import pyarrow as pa

from . import documents
from .catalog import Service, read_moment, read_service, read_view
from .errors import GatewayError, error_of
from .frames import FrameKind, beside, to_arrow
from .listing import Listing
from .transport import Transport
from .values import array_of, moment_text, to_json

# So many entities go with one request.
BATCH = 500


@dataclass(frozen=True)
class Part:
    """How one view's features of an entity were had."""

    view: str
    status: str
    source: str
    event_time: datetime.datetime | None
    as_of: datetime.datetime | None
    error: GatewayError | None


@dataclass(frozen=True)
class Vector:
    """The features of one entity, as the gateway's JSON has them."""

    entity: dict[str, Any]
    features: dict[str, Any]
    views: tuple[Part, ...]
    error: GatewayError | None

    @property
    def failure(self) -> GatewayError | None:
        """The entity's, else the first of its views."""
        return self.error or next((part.error for part in self.views if part.error is not None), None)


class Asked:
    """What features are asked for: those of a service, or references as the gateway takes them."""

    def __init__(
        self, transport: Transport, service: Service | str | None, features: list[dict[str, Any]] | None
    ):
        if (service is None) == (features is None):
            raise error_of("BAD_USER_INPUT", "name a service or features, one of the two")
        self._transport = transport
        self.service = service
        self.features = features

    @property
    def variables(self) -> dict[str, Any]:
        """As arguments."""
        if self.service is None:
            return {"features": self.features}
        exact = self.service if isinstance(self.service, str) else self.service.id
        return {"service": exact}

    def types(self) -> list[str]:
        """Of the features, in their order."""
        if self.service is None:
            return [kind for reference in self.features or () for kind in self._types_of(reference)]
        known = self.service if isinstance(self.service, Service) else self._service(self.service)
        return [column.type for column in known.columns]

    def _service(self, given: str) -> Service:
        name, _, version = given.partition("@")
        variables = {"name": name, "version": int(version) if version else None}
        found = self._transport.graphql(documents.SERVICE_BY_NAME, variables, again=True)["featureService"]
        if found is None:
            raise error_of("NOT_FOUND", f"there is no feature service {given!r}")
        return read_service(found)

    def _types_of(self, reference: Mapping[str, Any]) -> list[str]:
        found = self._transport.graphql(documents.VIEW_BY_NAME, {"name": reference["view"]}, again=True)
        if found["featureView"] is None:
            raise error_of("NOT_FOUND", f"there is no feature view {reference['view']!r}")
        kinds = {feature.name: feature.type for feature in read_view(found["featureView"]).features}
        return [kinds[name] for name in reference.get("features", kinds) if name in kinds]


def online(
    transport: Transport,
    asked: Asked,
    entities: Sequence[Mapping[str, Any]],
    *,
    as_of: datetime.datetime | str | None,
    full_names: bool,
) -> Listing[Vector]:
    """One vector for each entity, in their order."""
    found: Listing[Vector] = Listing()
    for at in range(0, len(entities), BATCH):
        batch = [
            {name: to_json(value) for name, value in entity.items()} for entity in entities[at : at + BATCH]
        ]
        variables = {
            **asked.variables,
            "entities": batch,
            "asOf": moment_text(as_of),
            "fullNames": full_names,
        }
        answered = transport.graphql(documents.ONLINE_FEATURES, variables, again=True)["onlineFeatures"]
        found.extend(_read(entity, vector) for entity, vector in zip(batch, answered, strict=True))
    return found


def in_frame(
    vectors: Sequence[Vector],
    entities: Any,
    types: Sequence[str],
    kind: FrameKind,
    errors: Literal["raise", "null"],
) -> Any:
    """The entities' columns with the features beside them."""
    for vector in vectors:
        if errors == "raise" and vector.failure is not None:
            raise vector.failure
    names = list(next((vector.features for vector in vectors if vector.features), {}))
    if names and len(names) != len(types):
        raise error_of("SCHEMA_MISMATCH", f"{len(names)} features were answered, {len(types)} were expected")
    columns = [vector.features for vector in vectors]
    features = {
        name: array_of([row.get(name) for row in columns], type_)
        for name, type_ in zip(names, types, strict=False)
    }
    return beside(entities, pa.table(features), kind)


def rows_of(entities: Any) -> list[dict[str, Any]]:
    """Entities as dicts; times lose nothing, since a frame's are microseconds by then."""
    table = to_arrow(entities)
    for at, field in enumerate(table.schema):
        if pa.types.is_timestamp(field.type):
            table = table.set_column(at, field.name, table.column(at).cast(pa.timestamp("us", field.type.tz)))
    rows: list[dict[str, Any]] = table.to_pylist()
    return rows


def _read(entity: dict[str, Any], data: dict[str, Any]) -> Vector:
    parts = tuple(
        Part(
            view=part["view"],
            status=part["status"],
            source=part["source"],
            event_time=read_moment(part["eventTime"]),
            as_of=read_moment(part["asOf"]),
            error=_error(part["error"], f"{part['view']} of {entity}"),
        )
        for part in data["views"]
    )
    return Vector(entity, data["features"] or {}, parts, _error(data["error"], f"{entity}"))


def _error(data: dict[str, Any] | None, where: str) -> GatewayError | None:
    return None if data is None else error_of(data["code"], f"{where}: {data['message']}")
