"""Features as they were at the times of a spine, and the same features now."""

from __future__ import annotations

import datetime
import decimal
import warnings
from pathlib import Path

import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from feature_gateway import BadInput, Gateway, NotFound, NotPointInTimeWarning, Service, View, features_of

ACCOUNTS = """
SELECT * FROM (VALUES
    (1, TIMESTAMP '2024-01-01', TIMESTAMP '2024-01-01', 10, 9007199254740993),
    (1, TIMESTAMP '2024-01-03', TIMESTAMP '2024-01-03', NULL, 2),
    (1, TIMESTAMP '2024-01-01', TIMESTAMP '2024-01-05', 11, 3),
    (2, TIMESTAMP '2024-01-02', TIMESTAMP '2024-01-02', 20, 4),
    (2, TIMESTAMP '2999-01-01', TIMESTAMP '2024-01-02', 99, 5)
) t(account, happened, written, score, large)
"""


@pytest.fixture(scope="module")
def accounts(gw: Gateway) -> View:
    return gw.view(
        "accounts",
        gw.save("accounts", ACCOUNTS),
        "account",
        timestamp="happened",
        created="written",
        description="what is known of an account",
        owner="risk",
        tags=["risk"],
        features={"score": "from 0 to 100"},
    )


@pytest.fixture(scope="module")
def colours(gw: Gateway) -> View:
    query = gw.save("colours", "SELECT * FROM (VALUES (1, 'red'), (2, 'blue')) t(account, colour)")
    return gw.view("colours", query, "account")


@pytest.fixture(scope="module")
def service(gw: Gateway, accounts: View, colours: View) -> Service:
    return gw.service("risk", [accounts, "colours:colour"], description="of the tests", tags=["risk"])


def spine() -> pd.DataFrame:
    """Not in the order of anything, with a row twice, one without a key and one without a time."""
    return pd.DataFrame(
        {
            "account": pd.array([2, 1, 1, 1, None, 1, 7], dtype="Int64"),
            "event_timestamp": pd.to_datetime(
                ["2024-01-05", "2024-01-02", "2024-01-04", "2024-01-02", "2024-01-02", None, "2024-01-02"]
            ),
            "label": pd.Categorical(["x", "y", "x", "y", "z", "x", "y"]),
        },
        index=[10, 20, 30, 20, 50, 60, 70],
    )


def test_a_view_in_time_says_so(gw: Gateway, accounts: View) -> None:
    assert (accounts.timestamp_column, accounts.created_column) == ("happened", "written")
    assert [(each.name, each.type, each.description) for each in accounts.features] == [
        ("score", "INT32", "from 0 to 100"),
        ("large", "INT64", None),
    ]
    assert (accounts.owner, accounts.tags) == ("risk", ("risk",))
    assert gw.views()["accounts"] == accounts


def test_a_frame_keeps_its_rows_columns_and_index(gw: Gateway, accounts: View) -> None:
    given = spine()
    found = gw.training_set(given, ["accounts:score", "accounts:large"])
    pd.testing.assert_frame_equal(found[list(given.columns)], given)
    assert list(found.columns) == [*given.columns, "score", "large"]
    assert found["score"].tolist() == [20, 11, pd.NA, 11, pd.NA, pd.NA, pd.NA]
    assert found["large"].tolist() == [4, 3, 2, 3, pd.NA, pd.NA, pd.NA]
    assert found["large"].dtype == pd.Int64Dtype()


def test_what_was_written_later_is_not_known_then(gw: Gateway, accounts: View) -> None:
    found = gw.training_set(spine(), [accounts], known_as_of=True)
    assert found["large"].tolist() == [4, 9007199254740993, 2, 9007199254740993, pd.NA, pd.NA, pd.NA]


@pytest.mark.parametrize(
    "kind", ["pandas", "polars", "arrow", "parquet", "csv", "rows", "sql", "query", "dataset"]
)
def test_every_kind_of_spine_gives_the_same(gw: Gateway, accounts: View, kind: str, tmp_path: Path) -> None:
    frame = spine()[["account", "event_timestamp"]].iloc[:4]
    table = pa.Table.from_pandas(frame, preserve_index=False).replace_schema_metadata(None)
    pq.write_table(table, tmp_path / "spine.parquet", coerce_timestamps="us")
    frame.to_csv(tmp_path / "spine.csv", index=False)
    sql = (
        "SELECT * FROM (VALUES (0, 2, TIMESTAMP '2024-01-05'), (1, 1, TIMESTAMP '2024-01-02'), "
        "(2, 1, TIMESTAMP '2024-01-04'), (3, 1, TIMESTAMP '2024-01-02')) t(place, account, event_timestamp) ORDER BY place"
    )
    given = {
        "pandas": lambda: frame,
        "polars": lambda: pl.from_pandas(frame),
        "arrow": lambda: table,
        "parquet": lambda: tmp_path / "spine.parquet",
        "csv": lambda: tmp_path / "spine.csv",
        "rows": lambda: [
            {"account": account, "event_timestamp": at.to_pydatetime()}
            for account, at in zip(frame["account"], frame["event_timestamp"], strict=True)
        ],
        "sql": lambda: sql,
        "query": lambda: gw.save("a_spine", sql),
        "dataset": lambda: gw.query(sql, as_="dataset"),
    }[kind]()
    found = gw.training_set(given, accounts, as_="arrow")
    assert found["account"].to_pylist() == [2, 1, 1, 1] and found["event_timestamp"].null_count == 0
    assert found["large"].to_pylist() == [4, 3, 2, 3]
    assert found["score"].to_pylist() == [20, 11, None, 11]


def test_views_without_a_time_are_told_of(gw: Gateway, service: Service) -> None:
    with pytest.warns(NotPointInTimeWarning, match="colours"):
        found = gw.training_set(spine(), service=service, as_="dataset")
    assert found.not_point_in_time == ("colours",)
    assert found.to_arrow()["colour"].to_pylist() == ["blue", "red", "red", "red", None, "red", None]


def test_a_training_set_tells_where_it_is_from_and_is_made_again(gw: Gateway, accounts: View) -> None:
    first = gw.training_set(spine(), [accounts], as_="dataset", name="accounts then")
    assert "accounts" in str(first.origin()["references"])
    again = first.remake()
    assert again.id != first.id and again.to_arrow().equals(first.to_arrow())
    assert {column.name: column.nulls for column in first.profile()}["large"] == 3


def test_the_same_view_joins_twice_by_other_columns(gw: Gateway, accounts: View) -> None:
    pairs = pd.DataFrame({"payer": [1, 2], "payee": [2, 1], "event_timestamp": ["2024-01-05T00:00:00Z"] * 2})
    pairs["event_timestamp"] = pd.to_datetime(pairs["event_timestamp"])
    references = [
        features_of(accounts, "large", prefix="payer_", keys={"account": "payer"}),
        features_of(accounts, "large", prefix="payee_", keys={"account": "payee"}),
    ]
    found = gw.training_set(pairs, references)
    assert found[["payer_large", "payee_large"]].to_numpy().tolist() == [[2, 4], [4, 2]]
    served = gw.online(pairs[["payer", "payee"]], references)
    pd.testing.assert_frame_equal(served, found.drop(columns="event_timestamp"))


def test_what_is_online_is_what_training_sees_now(gw: Gateway, service: Service) -> None:
    entities = pd.DataFrame({"account": pd.array([2, 1, 7], dtype="Int32")}, index=["b", "a", "c"])
    served = gw.online(entities, service=service)
    now = entities.assign(event_timestamp=pd.Timestamp.now(tz="UTC"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotPointInTimeWarning)
        trained = gw.training_set(now, service=service)
    pd.testing.assert_frame_equal(served, trained.drop(columns="event_timestamp"))
    assert served["large"].tolist() == [4, 2, pd.NA] and served["colour"].tolist()[:2] == ["blue", "red"]
    assert gw.online([{"account": 1}], service="risk", as_="polars")["large"].to_list() == [2]
    full = gw.online([{"account": 1}], ["accounts:large"], full_names=True, as_="arrow")
    assert full.column_names == ["account", "accounts__large"]


def test_then_is_asked_for_by_its_moment(gw: Gateway, accounts: View) -> None:
    moment = datetime.datetime(2024, 1, 2, tzinfo=datetime.timezone.utc)
    for as_of in (moment, "2024-01-02T00:00:00Z"):
        then = gw.online([{"account": 1}, {"account": 2}], accounts, as_of=as_of, as_="arrow")
        assert then["large"].to_pylist() == [3, 4]


def test_a_service_with_an_etl_takes_what_a_request_brings(
    gw: Gateway, accounts: View, etl, name: str
) -> None:
    made = gw.service(name, "accounts:score", etl=etl("risk.ts"), request={"amount": "DECIMAL(18,2)"})
    assert [str(column) for column in made.request_columns] == ["amount DECIMAL"]
    amounts = [decimal.Decimal("50.00"), decimal.Decimal("1.25")]
    served = gw.online(pd.DataFrame({"account": [2, 1], "amount": amounts}), service=made)
    assert served["per_point"].tolist()[0] == 2.5 and pd.isna(served["per_point"][1])
    asked = pd.DataFrame(
        {"account": [2, 1], "amount": amounts, "event_timestamp": [pd.Timestamp.now("UTC")] * 2}
    )
    trained = gw.training_set(asked, service=made)
    pd.testing.assert_series_equal(trained["per_point"], served["per_point"])
    gw.delete_service(made)
    assert name not in [each.name for each in gw.services(name)]


def test_vectors_tell_what_is_behind_each_feature(gw: Gateway, service: Service) -> None:
    known, unknown = gw.online([{"account": 1}, {"account": 7}], service=service, as_="vectors")
    assert [(part.view, part.status) for part in known.views] == [("accounts", "FRESH"), ("colours", "FRESH")]
    assert known.views[0].event_time == datetime.datetime(2024, 1, 3, tzinfo=datetime.timezone.utc)
    assert [part.status for part in unknown.views] == ["NOT_FOUND", "NOT_FOUND"]
    assert set(unknown.features.values()) == {None} and unknown.failure is None


def test_an_entity_that_is_at_fault_is_raised_unless_nulls_are_asked_for(gw: Gateway, accounts: View) -> None:
    entities = [{"account": "1"}, {"account": "no number"}]
    with pytest.raises(BadInput, match="no number"):
        gw.online(entities, accounts)
    nulls = gw.online(entities, accounts, errors="null", as_="arrow")
    assert nulls["large"].to_pylist() == [2, None]


def test_what_cannot_be_is_refused_with_its_cure(gw: Gateway, accounts: View, service: Service) -> None:
    with pytest.raises(NotFound, match="nothing_of_the_kind"):
        gw.online([{"account": 1}], "nothing_of_the_kind")
    with pytest.raises(BadInput, match="one of the two"):
        gw.training_set(spine(), accounts, service=service)
    with pytest.raises(BadInput, match="account"):
        gw.training_set(spine().rename(columns={"account": "customer"}), accounts)
    with pytest.raises(BadInput, match="score"):
        gw.training_set(spine().rename(columns={"label": "score"}), accounts)
    assert gw.services("risk")["risk"] == service


@pytest.mark.parametrize("kind", [pl.String, pl.Categorical, pl.Enum(["x", "y", "z"])])
def test_a_frame_of_polars_travels_whatever_its_texts_are(gw: Gateway, accounts: View, kind: object) -> None:
    frame = pl.from_pandas(
        spine().reset_index(drop=True).assign(label=lambda rows: rows["label"].astype(str))
    )
    frame = pl.concat([frame, frame]).with_columns(pl.col("label").cast(kind))
    made = gw.training_set(frame, ["accounts:score"], as_="polars")
    assert made["label"].to_list() == frame["label"].to_list()
    assert made["label"].dtype == frame["label"].dtype
    assert made["score"].to_list() == [20, 11, None, 11, None, None, None] * 2
    dataset = gw.training_set(frame, ["accounts:score"], as_="dataset")
    assert dataset.to_polars()["label"].to_list() == frame["label"].to_list()


def test_times_that_are_texts_and_files_that_are_texts_are_told_what_to_be(
    gw: Gateway, accounts: View
) -> None:
    texts = spine().assign(event_timestamp=lambda rows: rows["event_timestamp"].astype(str))
    with pytest.raises(BadInput) as refused:
        gw.training_set(texts, ["accounts:score"])
    assert "pandas.to_datetime(frame['event_timestamp'], utc=True)" in str(refused.value)
    with pytest.raises(BadInput) as refused:
        gw.training_set("labels/may.csv", ["accounts:score"])
    assert "pathlib.Path('labels/may.csv')" in str(refused.value)
