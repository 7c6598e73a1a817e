"""Training sets of random histories, against what pandas joins as of each time, and against what is online now."""

from __future__ import annotations

import os

import numpy as np
import pandas as pd
import pytest

from feature_gateway import Gateway

HISTORIES = 12 if os.environ.get("THOROUGH") == "true" else 2
START = pd.Timestamp("2024-01-01", tz="UTC")


def history(rng: np.random.Generator, rows: int) -> pd.DataFrame:
    """Of few or many entities, with no two rows of one entity at one time, and nulls among the features."""
    frame = pd.DataFrame(
        {
            "entity": rng.integers(0, rng.choice([3, 50, 2000]), rows),
            "known_at": START + pd.to_timedelta(rng.integers(0, rng.choice([100, 10**12]), rows), "us"),
            "whole": pd.array(rng.integers(-(2**62), 2**62, rows), dtype="Int64"),
            "real": rng.normal(size=rows),
        }
    ).drop_duplicates(["entity", "known_at"])
    frame.loc[rng.random(len(frame)) < 0.2, ["whole", "real"]] = pd.NA
    return frame


def spine_of(rng: np.random.Generator, rows: pd.DataFrame, count: int) -> pd.DataFrame:
    """At times of the history, a microsecond beside them, and before and after all of them."""
    known = rows.sample(count, replace=True, random_state=rng).reset_index(drop=True)
    beside = pd.Series(pd.to_timedelta(rng.choice([-1, 0, 1, -(10**10), 10**13], count), "us"))
    spine = pd.DataFrame(
        {
            "entity": known["entity"].where(rng.random(count) >= 0.1, -1),
            "event_timestamp": (known["known_at"] + beside).astype("datetime64[us, UTC]"),
            "label": rng.integers(0, 2, count),
        }
    )
    return spine.set_index(pd.Index(rng.permutation(count)))


@pytest.mark.parametrize("seed", range(HISTORIES))
def test_a_training_set_is_what_pandas_joins_as_of_each_time(gw: Gateway, name: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    rows = history(rng, int(rng.choice([20, 3000])))
    gw.create_table(name, rows)
    gw.ingest(name, rows)
    gw.view(name, gw.save(name, f"SELECT * FROM feature_store.{name}"), "entity", timestamp="known_at")
    spine = spine_of(rng, rows, 2000)

    order = spine.reset_index(names="place").sort_values("event_timestamp", kind="stable")
    joined = pd.merge_asof(
        order,
        rows.sort_values("known_at").astype({"known_at": "datetime64[us, UTC]"}),
        left_on="event_timestamp",
        right_on="known_at",
        by="entity",
    )
    expected = joined.set_index("place").loc[spine.index, ["whole", "real"]]
    found = gw.training_set(spine, name)
    pd.testing.assert_frame_equal(found[["whole", "real"]], expected, check_names=False, check_dtype=False)
    pd.testing.assert_frame_equal(found[list(spine.columns)], spine)
    assert expected["whole"].notna().any() and expected["whole"].isna().any()

    entities = pd.DataFrame({"entity": spine["entity"].unique()})
    now = entities.assign(event_timestamp=pd.Timestamp.now("UTC"))
    trained = gw.training_set(now, name).drop(columns="event_timestamp")
    pd.testing.assert_frame_equal(gw.online(entities, name), trained)
