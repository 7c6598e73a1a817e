"""A data scientist's client of the feature gateway."""

from .catalog import Column, Etl, SavedQuery, Table, View
from .dataset import Dataset
from .errors import (
    BadInput,
    Conflict,
    EtlError,
    Failed,
    GatewayError,
    InvalidSql,
    MissingPackage,
    NotAllowed,
    NotFound,
    RateLimited,
    TimedOut,
    Unreachable,
)
from .gateway import Gateway
from .listing import Listing
from .lookups import Lookup, Lookups
from .references import Features, features_of
from .writing import Written

__all__ = [
    "BadInput",
    "Column",
    "Conflict",
    "Dataset",
    "Etl",
    "EtlError",
    "Failed",
    "Features",
    "Gateway",
    "GatewayError",
    "InvalidSql",
    "Listing",
    "Lookup",
    "Lookups",
    "MissingPackage",
    "NotAllowed",
    "NotFound",
    "RateLimited",
    "SavedQuery",
    "Table",
    "TimedOut",
    "Unreachable",
    "View",
    "Written",
    "features_of",
]
