"""What there is, as a notebook shows it, and how features are named."""

from __future__ import annotations

import pytest

from feature_gateway import BadInput, Column, Features, Gateway, Listing, SavedQuery, features_of
from feature_gateway.references import read_references


def test_tables_are_listed_with_their_columns(gw: Gateway, stations: SavedQuery) -> None:
    tables = gw.tables("readings")
    table = tables["feature_store.readings"]
    assert [str(column) for column in table.columns] == ["station STRING", "day TIMESTAMP", "celsius FLOAT64"]
    assert table.accepts_rows and table.kind == "TABLE"
    assert "feature_store.readings" in tables._repr_html_()
    assert list(tables.to_pandas()["name"]) == [each.name for each in tables]
    with pytest.raises(KeyError):
        tables["nowhere"]


def test_a_listing_is_shown_as_it_is_and_not_as_html() -> None:
    shown = Listing([Column("<script>", "STRING")])._repr_html_()
    assert "&lt;script&gt;" in shown and "<script>" not in shown
    assert Listing()._repr_html_() == "<i>nothing</i>"


def test_features_are_named_by_texts_or_in_full() -> None:
    assert read_references(["stats:rate", "other", "stats:count"]) == [
        {"view": "stats", "features": ["rate", "count"]},
        {"view": "other"},
    ]
    twice = [
        features_of("airports", prefix="o_", keys={"airport": "origin"}),
        Features("airports", ("size",), "d_"),
    ]
    assert read_references(twice) == [
        {"view": "airports", "prefix": "o_", "keys": [{"key": "airport", "column": "origin"}]},
        {"view": "airports", "features": ["size"], "prefix": "d_"},
    ]
    assert read_references("stats") == [{"view": "stats"}]
    for given in (7, [7]):
        with pytest.raises(BadInput, match="expected 'view'"):
            read_references(given)
