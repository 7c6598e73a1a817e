# Makes registry.json: what `feast registry-dump` (0.67) says of a repository with all that an import meets. Takes a folder for the repository.

import os
import sys
from datetime import timedelta

import pandas as pd
from feast import (
    BigQuerySource,
    Entity,
    FeatureService,
    FeatureStore,
    FeatureView,
    Field,
    FileSource,
    PushSource,
    RepoConfig,
    RequestSource,
    ValueType,
)
from feast.infra.offline_stores.contrib.postgres_offline_store.postgres_source import PostgreSQLSource
from feast.on_demand_feature_view import on_demand_feature_view
from feast.types import Float64, Int64, String

folder = sys.argv[1]
store = FeatureStore(
    config=RepoConfig(
        project="drivers",
        registry=os.path.join(folder, "registry.db"),
        provider="local",
        online_store={"type": "sqlite", "path": os.path.join(folder, "online.db")},
        entity_key_serialization_version=3,
    )
)
driver = Entity(name="driver", join_keys=["driver_id"], value_type=ValueType.INT64)
shop = Entity(name="shop", join_keys=["shop_id"], value_type=ValueType.INT64)


def view(name, source, entities=[driver], features=[Field(name="rate", dtype=Float64)], **more):
    keys = [Field(name=entity.join_key, dtype=Int64) for entity in entities]
    return FeatureView(name=name, entities=entities, schema=[*keys, *features], source=source, **more)


def file(name, **more):
    return FileSource(name=name, path=os.path.join(folder, f"{name}.parquet"), timestamp_field="event_timestamp", **more)


def postgres(name, **more):
    return PostgreSQLSource(name=name, timestamp_field="event_timestamp", **more)


drivers = file("drivers", created_timestamp_column="created")
stats = view(
    "driver_stats",
    drivers,
    features=[
        Field(name="rate", dtype=Float64, description="Of offers, the part that was taken"),
        Field(name="trips", dtype=Int64),
    ],
    ttl=timedelta(days=3650),
    description="What drivers did",
    owner="ada@example.org",
    tags={"team": "pricing", "tier": "1"},
)
renamed = view(
    "Shop visits",
    file("visits", field_mapping={"shop": "shop_id", "driver": "driver_id", "n": "visits"}),
    entities=[driver, shop],
    features=[Field(name="visits", dtype=Int64)],
)
amount = RequestSource(name="amount", schema=[Field(name="amount", dtype=Float64)])


@on_demand_feature_view(sources=[stats, amount], schema=[Field(name="fee", dtype=Float64)], mode="pandas")
def fee(inputs):
    return (inputs["amount"] * inputs["rate"]).to_frame("fee")


views = [
    stats,
    renamed,
    view("elsewhere", file("elsewhere")),
    view("everywhere", file("everywhere"), entities=[], features=[Field(name="rate", dtype=Float64)]),
    view("pushed", PushSource(name="pushes", batch_source=drivers), ttl=timedelta(milliseconds=1500)),
    view("of_table", postgres("of_table", table="public.rates")),
    view("of_query", postgres("of_query", query="SELECT * FROM files.drivers -- all")),
    view("of_bigquery", BigQuerySource(name="big", table="a.b.c", timestamp_field="event_timestamp")),
]
services = [
    FeatureService(
        name="pricing", features=[stats[["trips", "rate"]], renamed], description="For prices", owner="ada@example.org", tags={"model": "7"}
    ),
    FeatureService(
        name="pairs",
        features=[
            stats[["rate"]].with_name("origin").with_join_key_map({"driver_id": "origin_id"}),
            stats[["rate"]].with_name("goal").with_join_key_map({"driver_id": "goal_id"}),
        ],
    ),
    FeatureService(name="renamed", features=[stats[["rate"]].with_name("drivers")]),
    FeatureService(name="fees", features=[stats[["rate"]], fee]),
    FeatureService(name="far", features=[views[2]]),
]
times = pd.to_datetime(["2026-01-01"], utc=True)
columns = {"driver_id": [1], "rate": [0.5], "trips": [1], "created": times, "event_timestamp": times}
for name in ("drivers", "elsewhere", "everywhere"):
    pd.DataFrame(columns).to_parquet(os.path.join(folder, f"{name}.parquet"))
pd.DataFrame({"driver": [1], "shop": [1], "n": [1], "event_timestamp": times}).to_parquet(os.path.join(folder, "visits.parquet"))
store.apply([driver, shop, amount, fee, *views, *services])
with open(os.path.join(folder, "feature_store.yaml"), "w") as yaml:
    yaml.write(
        "project: drivers\nprovider: local\nregistry: registry.db\nentity_key_serialization_version: 3\n"
        "online_store:\n  type: sqlite\n  path: online.db\n"
    )
