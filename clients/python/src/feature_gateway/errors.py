"""What the gateway refuses or fails at, as exceptions: a code, what was wrong and what would be right, and a hint."""

from __future__ import annotations

from typing import Any


class GatewayError(Exception):
    """Any failure. `code` is the gateway's (NOT_FOUND, INVALID_SQL, …) or the client's own (UNREACHABLE, …)."""

    def __init__(
        self,
        code: str,
        message: str,
        *,
        hint: str | None = None,
        details: dict[str, Any] | None = None,
        status: int | None = None,
    ):
        super().__init__(code, message)
        self.code = code
        self.message = message
        self.details = details or {}
        self.status = status
        self.hint = hint if hint is not None else hint_of(code, self.details)

    def __str__(self) -> str:
        return f"{self.code}: {self.message}" + (f"\nHint: {self.hint}" if self.hint else "")


class BadInput(GatewayError, ValueError):
    """The request is not usable: BAD_USER_INPUT, INVALID_SQL, TOO_LARGE, SCHEMA_MISMATCH."""


class InvalidSql(BadInput):
    """The statement is not usable; `details` has its line and column where the engine told them."""


class NotFound(GatewayError, LookupError):
    """There is nothing under this id or name."""


class NotAllowed(GatewayError, PermissionError):
    """UNAUTHENTICATED, or FORBIDDEN to this caller."""


class Conflict(GatewayError):
    """It is in conflict with what is there already."""


class EtlError(GatewayError):
    """The ETL could not be loaded, or failed on the rows."""


class RateLimited(GatewayError):
    """Too many requests, or a gateway that is overloaded or about to stop."""


class TimedOut(GatewayError, TimeoutError):
    """It took longer than the gateway, or this client, waits."""


class Unreachable(GatewayError, ConnectionError):
    """No gateway answers at the URL, or the connection broke."""


class Failed(GatewayError):
    """Something that the gateway stands on failed: the warehouse, the online store, the catalog."""


class MissingPackage(GatewayError, ImportError):
    """An optional package is not installed."""


CLASSES: dict[str, type[GatewayError]] = {
    "BAD_USER_INPUT": BadInput,
    "SCHEMA_MISMATCH": BadInput,
    "TOO_LARGE": BadInput,
    "INVALID_SQL": InvalidSql,
    "NOT_FOUND": NotFound,
    "UNAUTHENTICATED": NotAllowed,
    "FORBIDDEN": NotAllowed,
    "CONFLICT": Conflict,
    "ETL_LOAD_FAILED": EtlError,
    "ETL_FAILED": EtlError,
    "RATE_LIMITED": RateLimited,
    "TIMEOUT": TimedOut,
    "UNREACHABLE": Unreachable,
    "WAREHOUSE_FAILED": Failed,
    "ONLINE_STORE_UNAVAILABLE": Failed,
    "CATALOG_UNAVAILABLE": Failed,
    "INTERNAL": Failed,
}

HINTS = {
    "UNAUTHENTICATED": "give Gateway an api_key, or set GATEWAY_TOKEN",
    "FORBIDDEN": "ask for a key with the scope that the message names",
    "RATE_LIMITED": "the gateway turned the request away unread: ask again later",
    "TIMEOUT": "ask for less, or have the gateway's limits raised",
    "SCHEMA_MISMATCH": "the tables have changed since the query was saved: save it again under its name",
    "UNREACHABLE": "does the gateway run there? Give Gateway its url, or set GATEWAY_URL",
    "WAREHOUSE_FAILED": "the gateway's log and `npm run doctor` tell more",
    "INTERNAL": "the gateway's log tells more, under the request's id",
}


def error_of(code: str, message: str, **facts: Any) -> GatewayError:
    """The exception of a code's own class."""
    return CLASSES.get(code, GatewayError)(code, message, **facts)


def hint_of(code: str, details: dict[str, Any]) -> str | None:
    if code == "INVALID_SQL" and details.get("line") is not None:
        column = details.get("column")
        return f"look at line {details['line']}" + (f", column {column}" if column is not None else "")
    if code == "RATE_LIMITED" and details.get("retryAfterSeconds") is not None:
        return f"ask again in {details['retryAfterSeconds']} s"
    return HINTS.get(code)
