"""The gateway that the tests run against: GATEWAY_URL and GATEWAY_TOKEN name it, ETL_FOLDER is one of its sources."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Iterator

import pandas as pd
import pytest

from feature_gateway import Gateway, SavedQuery


@pytest.fixture(scope="session")
def gw() -> Iterator[Gateway]:
    assert os.environ.get("GATEWAY_URL"), "GATEWAY_URL names the gateway to test against"
    with Gateway() as gateway:
        yield gateway


@pytest.fixture
def name() -> str:
    """A name that nobody else has."""
    return f"t_{uuid.uuid4().hex[:12]}"


@pytest.fixture(scope="session")
def etl() -> Callable[[str], str]:
    return lambda file: f"file:{os.environ['ETL_FOLDER']}/{file}"


@pytest.fixture(scope="session")
def readings() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "station": ["a", "b", "a", "c"],
            "day": pd.to_datetime(["2026-01-01", "2026-01-02", "2026-01-03", "2026-01-04"]),
            "celsius": [1.5, 2.0, 3.0, None],
        }
    )


@pytest.fixture(scope="session")
def stations(gw: Gateway, readings: pd.DataFrame) -> SavedQuery:
    """A saved query over rows that were written by the client."""
    gw.create_table("readings", readings)
    gw.ingest("readings", readings, idempotency_key="the tests' readings")
    return gw.save(
        "stations",
        "SELECT station, count(*) AS n, sum(celsius) AS total, max(day) AS newest "
        "FROM feature_store.readings GROUP BY station ORDER BY station",
    )
