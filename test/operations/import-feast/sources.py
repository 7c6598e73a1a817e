# Makes sources.json: what `feast registry-dump` (0.67) says of views over tables of PostgreSQL, and over every source that an import cannot take. Takes a folder for the repository.

import os
import sys
from datetime import timedelta

from feast import (
    BigQuerySource,
    Entity,
    FeatureService,
    FeatureStore,
    FeatureView,
    Field,
    FileSource,
    KafkaSource,
    RedshiftSource,
    RepoConfig,
    SnowflakeSource,
    StreamFeatureView,
    ValueType,
)
from feast.data_format import DeltaFormat, JsonFormat
from feast.infra.offline_stores.contrib.athena_offline_store.athena_source import AthenaSource
from feast.infra.offline_stores.contrib.postgres_offline_store.postgres_source import PostgreSQLSource
from feast.infra.offline_stores.contrib.spark_offline_store.spark_source import SparkSource
from feast.infra.offline_stores.contrib.trino_offline_store.trino_source import TrinoSource
from feast.types import Float64, Int64

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
schema = [Field(name="driver_id", dtype=Int64), Field(name="rate", dtype=Float64)]
time = {"timestamp_field": "event_timestamp"}


def view(name, source):
    return FeatureView(name=name, entities=[driver], schema=schema, source=source, ttl=timedelta(days=10))


def postgres(name, **more):
    return PostgreSQLSource(name=name, created_timestamp_column="created", **time, **more)


file = FileSource(name="local", path=os.path.join(folder, "local.parquet"), **time)
kafka = KafkaSource(
    name="clicks",
    kafka_bootstrap_servers="localhost:9092",
    topic="clicks",
    message_format=JsonFormat(schema_json="driver_id bigint, rate double, event_timestamp timestamp"),
    batch_source=file,
    **time,
)
views = [
    view("of_table", postgres("rates", table="sales.rates")),
    view("of_plain_table", postgres("plain", table="plain_rates", field_mapping={"share": "rate", "driver": "driver_id"})),
    view("of_quoted_table", postgres("quoted", table='sales."Odd rates"')),
    view("of_query", postgres("asked", query="SELECT * FROM sales.rates WHERE rate > 0; ")),
    view("of_missing_table", postgres("missing", table="sales.nowhere")),
    view("of_two_tables", postgres("twice", table="twice")),
    view("of_delta", FileSource(name="delta", path="s3://lake/rates", file_format=DeltaFormat(), **time)),
    view("of_bigquery", BigQuerySource(name="big", table="a.b.c", **time)),
    view("of_redshift", RedshiftSource(name="red", table="rates", schema="sales", database="dev", **time)),
    view("of_snowflake", SnowflakeSource(name="snow", database="D", schema="S", table="RATES", **time)),
    view("of_spark", SparkSource(name="spark", table="rates", **time)),
    view("of_trino", TrinoSource(name="trino", table="lake.sales.rates", **time)),
    view("of_athena", AthenaSource(name="athena", table="rates", database="d", data_source="c", **time)),
]
stream = StreamFeatureView(name="of_stream", entities=[driver], schema=schema, source=kafka, ttl=timedelta(days=1), mode="pandas", udf=lambda rows: rows)
services = [
    FeatureService(name="pricing", features=[views[0][["rate"]].with_name("was"), views[1].with_name("is")]),
    FeatureService(name="streamed", features=[stream]),
]
store.apply([driver, *views, stream, *services])
with open(os.path.join(folder, "feature_store.yaml"), "w") as yaml:
    yaml.write(
        "project: drivers\nprovider: local\nregistry: registry.db\nentity_key_serialization_version: 3\n"
        "online_store:\n  type: sqlite\n  path: online.db\n"
    )
