"""Tables that are made for frames, and frames whose rows come back as they went."""

from __future__ import annotations

import datetime
import decimal
import random
from pathlib import Path

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from feature_gateway import BadInput, Conflict, Gateway
from feature_gateway.frames import to_parquet

FRAMES = 12


def random_column(rng: random.Random, kind: str, rows: int) -> pa.Array:
    """Values of a type, a fifth of them null, among them those at its edges."""
    moment = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)
    choose = {
        "bool": lambda: rng.random() < 0.5,
        "int8": lambda: rng.choice([-128, 127, rng.randint(-9, 9)]),
        "int32": lambda: rng.choice([-(2**31), 2**31 - 1, rng.randint(-9, 9)]),
        "int64": lambda: rng.choice([-(2**63), 2**63 - 1, 2**53 + 1, rng.randint(-9, 9)]),
        "double": lambda: rng.choice([0.1, -1e300, 5e-324, rng.gauss(0, 1)]),
        "string": lambda: rng.choice(["", "ü🙂", '"quoted", and\nbroken', "\\N", "null", "x" * 300]),
        "binary": lambda: rng.randbytes(rng.randint(0, 9)),
        "date": lambda: datetime.date(1900, 1, 1) + datetime.timedelta(days=rng.randint(0, 90_000)),
        "decimal": lambda: decimal.Decimal(rng.randint(-(10**17), 10**17)).scaleb(-4),
        "moment": lambda: moment + datetime.timedelta(microseconds=rng.randint(-(10**15), 4 * 10**15)),
        "list": lambda: [rng.choice([None, rng.randint(0, 9)]) for _ in range(rng.randint(0, 3))],
    }[kind]
    types = {
        "bool": pa.bool_(),
        "int8": pa.int8(),
        "int32": pa.int32(),
        "int64": pa.int64(),
        "double": pa.float64(),
        "string": rng.choice([pa.string(), pa.large_string()]),
        "binary": pa.binary(),
        "date": pa.date32(),
        "decimal": pa.decimal128(18, 4),
        "moment": rng.choice(
            [pa.timestamp("us"), pa.timestamp("us", "UTC"), pa.timestamp("us", "Europe/Oslo")]
        ),
        "list": pa.list_(pa.int64()),
    }
    return pa.array([None if rng.random() < 0.2 else choose() for _ in range(rows)], types[kind])


def random_table(rng: random.Random) -> pa.Table:
    kinds = [
        "bool",
        "int8",
        "int32",
        "int64",
        "double",
        "string",
        "binary",
        "date",
        "decimal",
        "moment",
        "list",
    ]
    rows = rng.choice([1, 7, 300])
    columns = {f"{kind}_{at}": random_column(rng, kind, rows) for at, kind in enumerate(rng.sample(kinds, 6))}
    return pa.table({"row": pa.array(range(rows)), **columns})


def plain(table: pa.Table) -> list[dict[str, object]]:
    """Rows as values alone: how wide a type is, and which zone a time is written in, is not told apart."""

    def same(value: object) -> object:
        if isinstance(value, datetime.datetime):
            zoned = value if value.tzinfo is not None else value.replace(tzinfo=datetime.timezone.utc)
            return zoned.astimezone(datetime.timezone.utc)
        return value

    return [{name: same(value) for name, value in row.items()} for row in table.to_pylist()]


@pytest.mark.parametrize("seed", range(FRAMES))
def test_a_frames_rows_come_back_as_they_went(gw: Gateway, name: str, seed: int) -> None:
    rng = random.Random(seed)
    table = random_table(rng)
    frame = {
        "arrow": lambda: table,
        "polars": lambda: pl.from_arrow(table),
        "lazy": lambda: pl.from_arrow(table).lazy(),
        "pandas": lambda: table.to_pandas(types_mapper=pd.ArrowDtype),
        "rows": lambda: table,
    }[rng.choice(["arrow", "polars", "lazy", "pandas", "rows"])]()
    gw.create_table(name, frame)
    assert gw.ingest(name, frame).rows == table.num_rows
    back = gw.query(f'SELECT * FROM feature_store.{name} ORDER BY "row"', as_="arrow")
    assert plain(back.select(table.column_names)) == plain(table)


def test_the_same_rows_are_the_same_bytes_of_whatever_library(readings: pd.DataFrame) -> None:
    nanoseconds = readings.assign(
        day=readings["day"].astype("datetime64[ns]"), station=readings["station"].astype("category")
    )
    frames = [readings, nanoseconds, pl.from_pandas(readings), pa.Table.from_pandas(readings)]
    first, *others = [to_parquet(frame).getvalue() for frame in frames]
    assert all(other == first for other in others)


def test_a_retry_is_the_same_job(gw: Gateway, name: str) -> None:
    frame = pd.DataFrame({"k": [1, 2]})
    gw.create_table(name, frame)
    first = gw.ingest(name, frame, idempotency_key=name)
    assert gw.ingest(name, frame, idempotency_key=name) == first
    with pytest.raises(Conflict):
        gw.ingest(name, pd.DataFrame({"k": [3]}), idempotency_key=name)
    gw.ingest(name, frame)
    count = gw.query(f"SELECT count(*) AS n FROM feature_store.{name}", as_="arrow")
    assert count["n"].to_pylist() == [4]


def test_pandas_indexes_and_categories_are_written(gw: Gateway, name: str) -> None:
    frame = pd.DataFrame(
        {"v": pd.Categorical(["x", "y"]), "f": [1.5, float("nan")]}, index=pd.Index([7, 8], name="id")
    )
    table = gw.create_table(name, frame)
    assert [str(column) for column in table.columns] == ["id INT64", "v STRING", "f FLOAT64"]
    gw.ingest(name, frame)
    rows = gw.query(f"SELECT * FROM feature_store.{name} ORDER BY id", as_="arrow").to_pylist()
    assert rows == [{"id": 7, "v": "x", "f": 1.5}, {"id": 8, "v": "y", "f": None}]


def test_files_are_written_as_they_are(gw: Gateway, name: str, tmp_path: Path) -> None:
    gw.create_table(name, {"k": "STRING", "price": "DECIMAL(18,2)"})
    (tmp_path / "rows.csv").write_text("k,price\na,1.25\n")
    (tmp_path / "rows.ndjson").write_text('{"k": "b", "price": "2.50"}\n')
    for file in ("rows.csv", "rows.ndjson"):
        assert gw.ingest(name, tmp_path / file).rows == 1
    rows = gw.query(f"SELECT * FROM feature_store.{name} ORDER BY k", as_="arrow").to_pylist()
    assert rows == [
        {"k": "a", "price": decimal.Decimal("1.25")},
        {"k": "b", "price": decimal.Decimal("2.50")},
    ]
    with pytest.raises(BadInput, match="ends in no known format"):
        gw.ingest(name, tmp_path / "rows.xlsx")


def test_rows_that_do_not_fit_are_refused_with_row_and_column(gw: Gateway, name: str) -> None:
    gw.create_table(name, {"v": "FLOAT64"})
    with pytest.raises(BadInput, match='row 1, column "v"'):
        gw.ingest(name, [{"v": "1.5"}, {"v": "much"}])
    with pytest.raises(BadInput, match="several types"):
        gw.ingest(name, pd.DataFrame({"v": [1, "much"]}))
    with pytest.raises(BadInput, match="nanoseconds"):
        gw.ingest(name, pd.DataFrame({"v": pd.to_datetime(["2026-01-01T00:00:00.000000001"])}))
    with pytest.raises(BadInput, match="expected a pandas or Polars DataFrame"):
        gw.ingest(name, 7)
    assert gw.query(f"SELECT * FROM feature_store.{name}").empty


def test_an_ingest_need_not_be_waited_for(gw: Gateway, name: str) -> None:
    frame = pd.DataFrame({"k": [1]})
    gw.create_table(name, frame)
    begun = gw.ingest(name, frame, wait=False, idempotency_key=name)
    assert begun.rows is None
    assert gw.ingest(name, frame, idempotency_key=name).job_id == begun.job_id
