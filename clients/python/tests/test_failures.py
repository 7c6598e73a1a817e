"""What fails says why; what passes is tried again, and what is tried again is done once."""

from __future__ import annotations

import time

import pandas as pd
import pytest
from breaking_proxy import BreakingProxy

import feature_gateway
from feature_gateway import Gateway, GatewayError, InvalidSql, NotAllowed, TimedOut, Unreachable
from feature_gateway.errors import CLASSES, error_of


def test_every_code_is_an_exception_of_its_own() -> None:
    for code, kind in CLASSES.items():
        error = error_of(code, "what was wrong")
        assert type(error) is kind and error.code == code
        assert str(error).startswith(f"{code}: what was wrong")
        assert getattr(feature_gateway, kind.__name__) is kind
    assert type(error_of("NEW_CODE", "m")) is GatewayError


def test_sql_is_refused_with_its_place(gw: Gateway) -> None:
    with pytest.raises(InvalidSql) as refused:
        gw.query("SELECT\n  nope")
    assert refused.value.details["line"] == 2
    assert "Hint: look at line 2, column 3" in str(refused.value)


def test_no_gateway_is_told_with_its_cure() -> None:
    with Gateway("http://127.0.0.1:9", retries=0) as nowhere, pytest.raises(Unreachable) as refused:
        nowhere.tables()
    assert "GATEWAY_URL" in str(refused.value) and "127.0.0.1:9" in str(refused.value)
    with pytest.raises(feature_gateway.BadInput, match="expected one like http://"):
        Gateway("localhost:4000")


def test_a_key_that_is_not_good_is_told(gw: Gateway) -> None:
    with Gateway(api_key="fgw_nobody's") as stranger, pytest.raises(NotAllowed) as refused:
        stranger.tables()
    assert refused.value.code == "UNAUTHENTICATED" and "api_key" in str(refused.value)
    assert "nobody's" not in repr(stranger) + str(refused.value)


def test_a_request_whose_answer_is_lost_is_sent_again_where_that_is_safe(gw: Gateway, name: str) -> None:
    frame = pd.DataFrame({"k": range(1000)})
    gw.create_table(name, frame)
    with BreakingProxy() as proxy, Gateway(proxy.url) as shaky:
        proxy.lose_answers(2)
        assert shaky.ingest(name, frame).rows == 1000
        assert proxy.lost == 2
        proxy.lose_answers(1)
        assert len(shaky.query(f"SELECT DISTINCT k FROM feature_store.{name}")) == 1000
        assert proxy.lost == 3
        proxy.lose_answers(1)
        with pytest.raises(Unreachable):
            shaky.save(name, "SELECT 1 AS a")
        assert proxy.lost == 4
    count = gw.query(f"SELECT count(*) AS n FROM feature_store.{name}", as_="arrow")
    assert count["n"].to_pylist() == [1000]


def test_a_download_goes_on_where_it_broke(gw: Gateway) -> None:
    sql = "SELECT i, hash(i)::VARCHAR AS h FROM range(200000) r(i) ORDER BY i"
    with BreakingProxy() as proxy, Gateway(proxy.url) as shaky:
        dataset = shaky.query(sql, as_="dataset")
        proxy.cut_answers(2, after_bytes=500_000)
        assert dataset.to_arrow().equals(gw.dataset(dataset.id).to_arrow())
        assert proxy.lost == 2
        assert proxy.asked_for_ranges == 2


def test_what_is_turned_away_is_asked_again_when_the_answer_says(gw: Gateway) -> None:
    with BreakingProxy() as proxy, Gateway(proxy.url) as shaky:
        proxy.turn_away(2, retry_after="0.2")
        began = time.monotonic()
        assert shaky.save("turned_away", "SELECT 1 AS a").version == 1
        assert time.monotonic() - began >= 0.4
        assert proxy.lost == 2
        proxy.turn_away(9, retry_after="0")
        with pytest.raises(feature_gateway.RateLimited), Gateway(proxy.url, retries=1) as impatient:
            impatient.tables()
        assert proxy.lost == 4


def test_an_answer_that_does_not_come_is_not_waited_for_forever(gw: Gateway) -> None:
    with BreakingProxy() as proxy, Gateway(proxy.url, timeout=0.3, retries=1) as impatient:
        proxy.withhold_answers(2)
        with pytest.raises(TimedOut, match="did not answer in time"):
            impatient.tables()
        assert proxy.lost == 2


def test_a_redirect_is_told_rather_than_followed(gw: Gateway) -> None:
    with BreakingProxy() as proxy, Gateway(proxy.url) as moved:
        proxy.redirect("https://elsewhere.example/graphql")
        with pytest.raises(GatewayError, match="elsewhere.example") as refused:
            moved.tables()
        assert refused.value.code == "REDIRECTED"
