"""A data scientist's client of the feature gateway."""

from .catalog import Column, ColumnProfile, Etl, Feature, SavedQuery, Service, Table, View
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
from .training_sets import NotPointInTimeWarning
from .vectors import Part, Vector
from .writing import Written

__all__ = [
    "BadInput",
    "Column",
    "ColumnProfile",
    "Conflict",
    "Dataset",
    "Etl",
    "EtlError",
    "Failed",
    "Feature",
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
    "NotPointInTimeWarning",
    "Part",
    "RateLimited",
    "SavedQuery",
    "Service",
    "Table",
    "TimedOut",
    "Unreachable",
    "Vector",
    "View",
    "Written",
    "features_of",
]
