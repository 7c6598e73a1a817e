# Features of the rows in spine.parquet out of view0.parquet, both in the first argument's folder: how long, how many rows, and how far the memory rose.

import json
import os
import resource
import sys
import time
from datetime import timedelta

import pandas as pd
from feast import Entity, FeatureStore, FeatureView, Field, FileSource, RepoConfig
from feast.types import Int64
from feast.value_type import ValueType

folder = sys.argv[1]
features = ["f0_1", "f0_2", "f0_3"]
store = FeatureStore(
    config=RepoConfig(
        project="bench",
        registry=os.path.join(folder, "registry.db"),
        provider="local",
        online_store={"type": "sqlite", "path": os.path.join(folder, "online.db")},
        offline_store={"type": "file"},
        entity_key_serialization_version=3,
    )
)
entity = Entity(name="k", join_keys=["k"], value_type=ValueType.INT64)
view = FeatureView(
    name="view0",
    entities=[entity],
    ttl=timedelta(days=36500),
    schema=[Field(name="k", dtype=Int64), *(Field(name=name, dtype=Int64) for name in features)],
    source=FileSource(
        name="view0_source", path=os.path.join(folder, "view0.parquet"), timestamp_field="happened"
    ),
)
store.apply([entity, view])
spine = pd.read_parquet(os.path.join(folder, "spine.parquet")).rename(columns={"happened": "event_timestamp"})


def peak_mb():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


before = peak_mb()
began = time.perf_counter()
frame = store.get_historical_features(spine, [f"view0:{name}" for name in features]).to_df()
seconds = time.perf_counter() - began
print(json.dumps({"seconds": seconds, "risenMb": peak_mb() - before, "rows": len(frame)}), flush=True)
