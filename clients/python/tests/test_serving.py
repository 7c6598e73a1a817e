"""Feature views and lookups."""

from __future__ import annotations

import datetime
from collections.abc import Callable

import pandas as pd
import pytest

from feature_gateway import BadInput, Gateway, Lookup, NotFound, SavedQuery


def test_a_view_serves_what_training_sees(gw: Gateway, stations: SavedQuery) -> None:
    view = gw.view("stations", stations, "station", ttl=datetime.timedelta(days=1))
    assert (view.index_keys, view.ttl_seconds, view.query) == (("station",), 86_400, "stations@1")
    assert view.refresh == "BY_KEY" and view.freshness["keptBy"] == ["GATEWAY"]
    trained = stations.dataset.to_pandas()
    served = gw.lookup(stations, "station", trained["station"]).to_pandas()
    pd.testing.assert_frame_equal(served, trained)
    parity = gw.parity(view)
    assert parity["sampled"] >= 3 and parity["mismatched"] == 0
    assert gw.views()["stations"] == view


def test_a_view_is_changed_through_its_etl_path(
    gw: Gateway, name: str, etl: Callable[[str], str], stations: SavedQuery
) -> None:
    query = gw.save(name, "SELECT i AS id, i * 10 AS v FROM range(4) r(i)")
    view = gw.view(name, query, "id", ttl=60, owner="ada", tags=["x"])
    changed = gw.update_view(view, ttl=datetime.timedelta(minutes=5), owner=None, features={"v": "ten times"})
    assert (changed.ttl_seconds, changed.owner, changed.tags) == (300, None, ("x",))
    assert [each.description for each in changed.features] == ["ten times"]
    with pytest.raises(BadInput, match="(?i)unrecognized"):
        gw.update_view(view, nonsense=1)
    by_path = gw.view(f"{name} by path", stations, "station", etl=etl("level.ts"))
    assert by_path.etl is not None
    gw.delete_view(by_path)


def test_others_write_and_an_entity_goes(gw: Gateway, name: str) -> None:
    gw.create_table(name, {"who": "STRING", "v": "INT64"})
    gw.ingest(name, pd.DataFrame({"who": ["a", "b", "b"], "v": [1, 2, 3]}))
    query = gw.save(name, f"SELECT who, sum(v)::BIGINT AS v FROM feature_store.{name} GROUP BY who")
    gw.view(name, query, "who")
    assert gw.table_changed(name, [{"who": "a"}]) == [name]
    assert gw.table_changed(name) == [name]
    gw.erase_entity("who", "b")
    assert gw.lookup(query, "who", "b").status == "NOT_FOUND"
    assert gw.lookup(query, "who", "a").rows == [{"who": "a", "v": 1}]


def test_one_value_is_one_result(gw: Gateway, stations: SavedQuery) -> None:
    lookup: Lookup = gw.lookup(stations, "station", "a")
    assert lookup.status == "FRESH" and lookup.as_of is not None
    assert lookup.rows == [{"station": "a", "n": 2, "total": 4.5, "newest": "2026-01-03T00:00:00Z"}]
    absent = gw.lookup(stations, "station", "nobody")
    assert absent.status == "NOT_FOUND" and absent.to_pandas().empty
    assert list(absent.to_pandas().columns) == ["station", "n", "total", "newest"]


def test_keys_of_several_columns_are_tuples(gw: Gateway, name: str) -> None:
    query = gw.save(name, "SELECT i % 2 AS a, 'k' || i AS b, i * 10 AS v FROM range(4) r(i) ORDER BY i")
    gw.view(name, query, ["a", "b"])
    assert gw.lookup(query, ["a", "b"], (1, "k3")).rows == [{"a": 1, "b": "k3", "v": 30}]
    several = gw.lookup(query, ("a", "b"), [(0, "k2"), (1, "k2")])
    assert [lookup.status for lookup in several] == ["FRESH", "NOT_FOUND"]
    gw.delete_view(gw.views()[name])
    gw.view(name, query, ["a", "b"])
    gw.delete_view(name)
    assert name not in [view.name for view in gw.views()]


def test_keys_are_spelled_by_their_types(gw: Gateway, name: str) -> None:
    query = gw.save(
        name,
        "SELECT TIMESTAMP '2026-01-01 10:00:00.25' + INTERVAL (i) DAY AS at, DATE '2026-01-01' + i::INTEGER AS day, "
        "i % 2 = 0 AS even, 9007199254740993 + i AS large, i AS v FROM range(3) r(i) ORDER BY i",
    )
    frame = query.dataset.to_pandas()
    assert frame["v"].tolist() == [0, 1, 2]
    for key in ("at", "day", "large"):
        found = gw.lookup(query, key, frame[key]).to_pandas()
        assert found["v"].tolist() == [0, 1, 2], key
    assert gw.lookup(query, "even", True).to_pandas()["v"].tolist() == [0, 2]


def test_a_value_that_fails_takes_no_other(gw: Gateway, name: str) -> None:
    query = gw.save(name, "SELECT i AS k, i + 1 AS v FROM range(3) r(i) ORDER BY i")
    found = gw.lookup(query, "k", [1, "no number", 2])
    assert [lookup.status for lookup in found] == ["FRESH", "FAILED", "FRESH"]
    assert found[2].to_pandas()["v"].tolist() == [3]
    with pytest.raises(BadInput, match="'no number': "):
        found.to_pandas()
    with pytest.raises(BadInput):
        gw.lookup(query, "k", "no number")


def test_thousands_of_values_go_in_several_requests(gw: Gateway, name: str) -> None:
    query = gw.save(name, "SELECT i AS k, i * i AS v FROM range(2500) r(i) ORDER BY i")
    gw.view(name, query, "k")
    found = gw.lookup(query, "k", range(2500)).to_pandas()
    assert found["v"].tolist() == [k * k for k in range(2500)]


def test_what_is_not_there_is_told(gw: Gateway) -> None:
    with pytest.raises(NotFound):
        gw.lookup("no_such_query", "k", 1)
    with pytest.raises(NotFound):
        gw.view("v", "no_such_query", "k")
