"""Queries, saved queries, ETLs and datasets."""

from __future__ import annotations

import datetime
import signal
from pathlib import Path

import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.csv
import pytest

import feature_gateway.gateway
from feature_gateway import BadInput, Dataset, Gateway, NotFound, SavedQuery

SLOW = "SELECT count(*) AS n FROM range(3000000) a, range(100000) b WHERE (a.range * b.range) % 7 = 3"
EVERY_TYPE = """
    SELECT i::INTEGER AS n, i % 2 = 0 AS flag, 9007199254740993 + i AS large, i / 7.0::DOUBLE AS real,
        0.1::FLOAT AS narrow, i::UTINYINT AS small, (i || '.05')::DECIMAL(12, 2) AS price,
        CASE i WHEN 3 THEN NULL ELSE 'ü "' || i END AS words, encode('ÿ' || i) AS bytes,
        DATE '1970-01-01' - i::INTEGER * 40 AS day,
        TIMESTAMP '1969-12-31 23:59:59.999999' + INTERVAL (i) HOUR AS moment,
        TIMESTAMPTZ '2024-02-29 12:00:00.5+02' AS zoned, [i, NULL] AS list, {'a b': i} AS struct,
        json_object('k', i) AS json, NULL::INTEGER AS nothing
    FROM range(5) r(i) ORDER BY i
"""


def test_a_query_is_a_frame_of_the_kind_that_is_asked_for(gw: Gateway) -> None:
    sql = "SELECT 1 AS a, 'x' AS b"
    assert gw.query(sql).to_dict("records") == [{"a": 1, "b": "x"}]
    assert gw.query(sql, as_="polars").equals(pl.DataFrame({"a": pl.Series([1], dtype=pl.Int32), "b": ["x"]}))
    assert gw.query(sql, as_="arrow").to_pylist() == [{"a": 1, "b": "x"}]
    dataset = gw.query(sql, as_="dataset")
    assert (dataset.status, dataset.row_count, len(dataset)) == ("SUCCEEDED", 1, 1)
    assert dataset.query is None and dataset.elapsed_ms is not None and dataset.error is None
    assert repr(dataset) == f"<Dataset {dataset.id} SUCCEEDED, 1 rows × 2 columns>"
    with Gateway(frames="polars") as by_default:
        assert isinstance(by_default.query(sql), pl.DataFrame)


def test_pandas_loses_no_digit_and_no_null(gw: Gateway) -> None:
    frame = gw.query(
        "SELECT CASE WHEN i > 0 THEN 9007199254740993 END AS large, CASE WHEN i > 0 THEN true END AS flag, "
        "i AS whole FROM range(2) r(i) ORDER BY i"
    )
    assert [str(kind) for kind in frame.dtypes] == ["Int64", "boolean", "int64"]
    assert frame["large"].tolist()[1] == 9007199254740993
    dataset = gw.query("SELECT 1 AS a", as_="dataset")
    assert str(dataset.to_pandas("pyarrow").dtypes["a"]) == "int32[pyarrow]"
    assert str(dataset.to_pandas("numpy_nullable").dtypes["a"]) == "Int32"


def test_what_is_looked_up_has_the_values_and_the_types_of_training(gw: Gateway) -> None:
    query = gw.save("every_type", EVERY_TYPE)
    trained = query.dataset.to_arrow()
    assert trained.num_rows == 5
    looked_up = gw.lookup(query, "n", list(range(5)))
    served = looked_up.to_arrow()
    as_their_values_say = {"price", "list", "struct"}
    for name in trained.column_names:
        if name not in as_their_values_say:
            assert served.schema.field(name).type == trained.schema.field(name).type, name
        assert served[name].to_pylist() == trained[name].to_pylist(), name
    assert looked_up[2].to_pandas().shape == (1, 16)
    assert looked_up.to_polars().height == 5
    for given in ("every_type", "every_type@1", query.id):
        assert gw.lookup(given, "n", [0, 9]).to_arrow().equals(gw.lookup(query, "n", 0).to_arrow())


def test_a_query_is_saved_once_and_found_again(gw: Gateway, name: str) -> None:
    first = gw.save(name, "SELECT 1 AS a", description="what it is for", tags=["one", "two"])
    assert (first.name, first.version, first.tags) == (name, 1, ("one", "two"))
    assert gw.save(name, "SELECT 1 AS a").id == first.id
    second = gw.save(name, "SELECT 2 AS a")
    assert (second.version, [column.name for column in second.columns]) == (2, ["a"])
    found = gw.queries(name)
    assert [query.version for query in found] == [2, 1]
    assert found[1].description == "what it is for"
    assert found[1].sql == "SELECT 1 AS a" and found[1].dataset is None


def test_rows_go_through_an_etl(gw: Gateway, stations: SavedQuery, etl) -> None:
    dataset = gw.extract(stations, etl("level.ts"), name="level", as_="dataset")
    assert dataset.to_arrow()["level"].to_pylist() == ["high", "low", None]
    assert dataset.log() == ["a", "b", "c"]
    assert dataset.query == f"stations@{stations.version}"
    found = gw.etls("level.ts")["level"]
    assert (found.language, found.commit) == ("TYPESCRIPT", None)
    for given in (found, found.id, etl("level.ts")):
        looked_up = gw.lookup(stations, "station", ["a", "c", "nobody"], etl=given)
        assert [lookup.status for lookup in looked_up] == ["FRESH", "FRESH", "NOT_FOUND"]
        assert looked_up.to_arrow().schema.equals(dataset.to_arrow().slice(0, 0).schema)


def test_a_dataset_is_had_in_parts(gw: Gateway) -> None:
    dataset = gw.query(EVERY_TYPE, as_="dataset")
    everything = dataset.to_arrow()
    assert (
        dataset.head(2)
        .select(["n", "moment", "words"])
        .equals(everything.slice(0, 2).select(["n", "moment", "words"]))
    )
    batches = list(dataset.batches(rows=2))
    assert [batch.num_rows for batch in batches] == [2, 2, 1]
    assert pa.concat_tables(batches).equals(everything)


def test_a_dataset_is_written_to_files(gw: Gateway, tmp_path: Path) -> None:
    dataset = gw.query("SELECT i, 'x' || i AS s FROM range(3) r(i) ORDER BY i", as_="dataset")
    for format in ("parquet", "arrow", "csv", "ndjson"):
        dataset.save(tmp_path / f"rows.{format}")
    assert pyarrow.csv.read_csv(tmp_path / "rows.csv").to_pylist() == dataset.to_arrow().to_pylist()
    assert pl.read_parquet(tmp_path / "rows.parquet").height == 3
    assert pa.ipc.open_file(tmp_path / "rows.arrow").read_all().num_rows == 3
    assert pl.read_ndjson(tmp_path / "rows.ndjson")["s"].to_list() == ["x0", "x1", "x2"]
    with pytest.raises(BadInput, match="ends in no known format"):
        dataset.save(tmp_path / "rows.xlsx")


def test_a_dataset_is_found_by_its_id_until_it_is_deleted(gw: Gateway) -> None:
    dataset = gw.query("SELECT 1 AS a", as_="dataset")
    assert gw.dataset(dataset.id).to_pandas().equals(dataset.to_pandas())
    assert dataset.id in [each.id for each in gw.datasets()]
    dataset.delete()
    with pytest.raises(NotFound, match=dataset.id):
        gw.dataset(dataset.id)


def test_a_bar_tells_how_far_it_is(gw: Gateway, capsys, monkeypatch) -> None:
    monkeypatch.setattr(feature_gateway.gateway, "FIRST_WAIT_MS", 0)
    with Gateway(progress=True) as shown:
        shown.query("SELECT sum(range) AS n FROM range(1000)", as_="arrow")
    assert "dataset dst_" in capsys.readouterr().err
    gw.query("SELECT sum(range) AS n FROM range(1000)", as_="arrow")
    assert capsys.readouterr().err == ""


def test_to_interrupt_cancels_it(gw: Gateway) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, 1.5)
    with pytest.raises(KeyboardInterrupt):
        gw.query(SLOW)
    newest: Dataset = gw.datasets()[0]
    assert newest.refresh().status == "CANCELLED"
    with pytest.raises(feature_gateway.Conflict, match="was cancelled"):
        newest.to_arrow()


def test_a_statement_is_asked_about_a_moment(gw: Gateway, name: str) -> None:
    moment = datetime.datetime(2024, 1, 2, 3, 4, 5, 600, tzinfo=datetime.timezone.utc)
    dataset = gw.query("SELECT as_of() AS moment", as_of=moment, as_="dataset")
    assert dataset.as_of is not None and dataset.to_arrow()["moment"].to_pylist() == [moment]
    saved = gw.save(name, "SELECT 1 AS k, as_of() AS moment", as_of="2024-01-02T00:00:00Z")
    assert saved.dataset.to_pandas()["moment"][0] == pd.Timestamp("2024-01-02", tz="UTC")
    assert gw.query("SELECT 1 AS a", as_="dataset").as_of is None
