# A Feast repository over the files in `online` of the first argument's folder, on the Redis of the second, materialized.

import os
import sys
from datetime import datetime, timedelta, timezone

from feast import Entity, FeatureService, FeatureStore, FeatureView, Field, FileSource
from feast.types import Float64, Int64
from feast.value_type import ValueType

folder, redis = sys.argv[1:3]
with open(os.path.join(folder, "feature_store.yaml"), "w") as file:
    file.write(
        "project: bench\nprovider: local\nregistry: registry.db\nentity_key_serialization_version: 3\n"
        f"online_store:\n  type: redis\n  connection_string: {redis}\n"
    )
store = FeatureStore(repo_path=folder)
entity = Entity(name="k", join_keys=["k"], value_type=ValueType.INT64)
views = [
    FeatureView(
        name=name,
        entities=[entity],
        ttl=timedelta(days=36500),
        schema=[Field(name="k", dtype=Int64), *(Field(name=f"{name}_{n}", dtype=Float64) for n in range(10))],
        source=FileSource(
            name=f"{name}_source", path=os.path.join(folder, "online", f"{name}.parquet"), timestamp_field="happened"
        ),
    )
    for name in ("a", "b", "c")
]
store.apply([entity, *views, FeatureService(name="three", features=views)])
store.materialize(datetime(2025, 1, 1, tzinfo=timezone.utc), datetime.now(timezone.utc))
print("materialized", flush=True)
