# A Feast repository in the folder of the first argument: drivers, their history in Parquet, a service; applied, materialized and told.

import json
import os
import sys
from datetime import datetime, timedelta, timezone

import pandas as pd
from feast import Entity, FeatureService, FeatureStore, FeatureView, Field, FileSource, RepoConfig
from feast.types import Bool, Float64, Int64, String
from feast.value_type import ValueType

folder = sys.argv[1]
rows = json.load(sys.stdin)
frame = pd.DataFrame(rows)
for name in ("event_timestamp", "created"):
    frame[name] = pd.to_datetime(frame[name], utc=True, format="ISO8601")
frame["trips"] = frame["trips"].astype("Int64")
path = os.path.join(folder, "drivers.parquet")
frame.to_parquet(path)

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
source = FileSource(name="drivers_source", path=path, timestamp_field="event_timestamp", created_timestamp_column="created")
view = FeatureView(
    name="driver_stats",
    entities=[driver],
    ttl=timedelta(days=3650),
    schema=[
        Field(name="driver_id", dtype=Int64),
        Field(name="rate", dtype=Float64),
        Field(name="trips", dtype=Int64),
        Field(name="city", dtype=String),
        Field(name="active", dtype=Bool),
    ],
    source=source,
)
store.apply([driver, source, view, FeatureService(name="pricing", features=[view[["trips", "rate"]], ])])
store.materialize(datetime(2020, 1, 1, tzinfo=timezone.utc), datetime.now(timezone.utc))
with open(os.path.join(folder, "feature_store.yaml"), "w") as file:
    file.write(
        "project: drivers\nprovider: local\nregistry: registry.db\nentity_key_serialization_version: 3\n"
        "online_store:\n  type: sqlite\n  path: online.db\n"
    )
