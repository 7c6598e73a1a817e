"""
Every GraphQL document that the client sends, as it sends it. `python -m feature_gateway` prints their manifest, for
gateways that answer trusted documents only (TRUSTED_DOCUMENTS_FILE).
"""

from __future__ import annotations

import hashlib
import json

COLUMNS = "columns { name type nullable }"
SAVED_QUERY = f"id name version sql description tags determinism determinismNote {COLUMNS}"
ETL = f"id name version path language commit {COLUMNS}"
DATASET = f"id status rowCount progress asOf elapsedMs error errorCode createdAt {COLUMNS} query {{ id name version }}"
FEATURE = "name type nullable description deprecated"
VIEW = (
    "id name indexKeys timestampColumn createdColumn eventTtlSeconds ttlSeconds refresh refreshEvery refreshedAt "
    "description owner tags query { id name version } etl { id name version } "
    f"features {{ {FEATURE} }} freshness {{ keptBy behindSeconds note }}"
)
SERVICE = (
    f"id name version description owner tags indexKeys {{ name type nullable }} {COLUMNS} "
    "requestColumns { name type nullable } etl { id name version } features { name prefix view { name } }"
)
RESULT = "indexValue status source asOf eventTime rows error { code message }"
PAGE = "pageInfo { hasNextPage endCursor }"


def _listed(field: str, fields: str, *, declared: str = "", given: str = "") -> str:
    return (
        f"query {field}($after: String{declared}) "
        f"{{ {field}(first: 500, after: $after{given}) {{ edges {{ node {{ {fields} }} }} {PAGE} }} }}"
    )


SEARCH = {"declared": ", $search: String", "given": ", search: $search"}

TABLES = _listed("tables", f"name kind acceptsRows rowCount changedAt {COLUMNS}", **SEARCH)
SAVED_QUERIES = _listed("savedQueries", SAVED_QUERY, **SEARCH)
ETLS = _listed("etls", ETL, **SEARCH)
VIEWS = _listed("featureViews", VIEW)
DATASETS = _listed("datasets", DATASET)

SAVED_QUERY_BY = (
    f"query savedQuery($id: ID, $name: String) {{ savedQuery(id: $id, name: $name) {{ {SAVED_QUERY} }} }}"
)
QUERY_TRAIN = (
    "mutation queryTrain($query: String!, $queryName: String!, $save: Boolean!, $description: String, "
    "$tags: [String!], $asOf: DateTime, $waitMs: Int!) { queryTrain(query: $query, queryName: $queryName, "
    "save: $save, description: $description, tags: $tags, asOf: $asOf, waitMs: $waitMs) "
    f"{{ query {{ {SAVED_QUERY} }} dataset {{ {DATASET} }} }} }}"
)
EXTRACT_TRAIN = (
    "mutation extractTrain($queryId: ID!, $etlPath: String!, $etlName: String, $save: Boolean!, "
    "$asOf: DateTime, $waitMs: Int!) { extractTrain(queryId: $queryId, etlPath: $etlPath, etlName: $etlName, "
    "save: $save, asOf: $asOf, waitMs: $waitMs) "
    f"{{ etl {{ {ETL} }} dataset {{ {DATASET} }} }} }}"
)
DATASET_BY_ID = f"query dataset($id: ID!) {{ dataset(id: $id) {{ {DATASET} }} }}"
DATASET_ROWS = "query datasetRows($id: ID!, $limit: Int!) { dataset(id: $id) { rows(limit: $limit) } }"
DATASET_LOG = "query datasetLog($id: ID!) { dataset(id: $id) { log } }"
DELETE_DATASET = "mutation deleteDataset($id: ID!) { deleteDataset(id: $id) }"
CANCEL_JOB = "mutation cancelJob($id: ID!) { cancelJob(id: $id) { id } }"

VIEW_BY_NAME = f"query featureView($name: String!) {{ featureView(name: $name) {{ {VIEW} }} }}"
CREATE_VIEW = (
    "mutation createFeatureView($name: String!, $queryId: ID!, $etlPath: String, $indexKeys: [String!]!, "
    "$timestampColumn: String, $createdColumn: String, $ttlSeconds: Int, $eventTtlSeconds: Int, "
    "$refresh: RefreshPolicy!, $refreshEvery: String, $lateness: String!, $description: String, $owner: String, "
    "$tags: [String!], $features: [FeatureNoteInput!]) "
    "{ createFeatureView(name: $name, queryId: $queryId, etlPath: $etlPath, indexKeys: $indexKeys, "
    "timestampColumn: $timestampColumn, createdColumn: $createdColumn, ttlSeconds: $ttlSeconds, "
    "eventTtlSeconds: $eventTtlSeconds, refresh: $refresh, refreshEvery: $refreshEvery, lateness: $lateness, "
    f"description: $description, owner: $owner, tags: $tags, features: $features) {{ {VIEW} }} }}"
)
VIEW_BY_ID = f"query featureView($id: ID!) {{ featureView(id: $id) {{ {VIEW} }} }}"
REFRESH_VIEW = f"mutation refreshFeatureView($id: ID!) {{ refreshFeatureView(id: $id) {{ {VIEW} }} }}"
DELETE_VIEW = "mutation deleteFeatureView($id: ID!) { deleteFeatureView(id: $id) }"
PARITY = (
    "query parity($featureViewId: ID!, $sample: Int!) { parity(featureViewId: $featureViewId, sample: $sample) "
    "{ sampled mismatched missing extra undetermined examples } }"
)

SERVICES = _listed("featureServices", SERVICE, **SEARCH)
SERVICE_BY_NAME = (
    "query featureService($name: String!, $version: Int) { featureService(name: $name, version: $version) "
    f"{{ {SERVICE} }} }}"
)
CREATE_SERVICE = (
    "mutation createFeatureService($name: String!, $features: [FeatureRefInput!]!, $etlPath: String, "
    "$requestColumns: [ColumnInput!], $description: String, $owner: String, $tags: [String!]) "
    "{ createFeatureService(name: $name, features: $features, etlPath: $etlPath, requestColumns: $requestColumns, "
    f"description: $description, owner: $owner, tags: $tags) {{ {SERVICE} }} }}"
)
DELETE_SERVICE = "mutation deleteFeatureService($id: ID!) { deleteFeatureService(id: $id) }"

CREATE_TRAINING_SET = (
    "mutation createTrainingSet($spine: SpineInput!, $service: String, $features: [FeatureRefInput!], "
    "$timestampColumn: String!, $fullNames: Boolean!, $knownAsOf: Boolean!, $name: String, $waitMs: Int!) "
    "{ createTrainingSet(spine: $spine, service: $service, features: $features, timestampColumn: $timestampColumn, "
    "fullNames: $fullNames, knownAsOf: $knownAsOf, name: $name, waitMs: $waitMs) "
    f"{{ notPointInTime dataset {{ {DATASET} }} }} }}"
)
REMAKE_DATASET = f"mutation remakeDataset($id: ID!) {{ remakeDataset(id: $id) {{ {DATASET} }} }}"
DATASET_ORIGIN = "query datasetOrigin($id: ID!) { dataset(id: $id) { spine references } }"
DATASET_PROFILE = (
    "query datasetProfile($id: ID!) { dataset(id: $id) { profile { name type nulls distinct min max } } }"
)

ONLINE_FEATURES = (
    "query onlineFeatures($service: String, $features: [FeatureRefInput!], $entities: [JSON!]!, $asOf: DateTime, "
    "$fullNames: Boolean!) { onlineFeatures(service: $service, features: $features, entities: $entities, "
    "asOf: $asOf, fullNames: $fullNames) { features error { code message } "
    "views { view status source eventTime asOf error { code message } } } }"
)

CREATE_TABLE = (
    "mutation createTable($name: String!, $columns: [ColumnInput!]!) "
    f"{{ createTable(name: $name, columns: $columns) {{ name kind acceptsRows rowCount changedAt {COLUMNS} }} }}"
)

QUERY_MANY = (
    "query queryRealtimeMany($queryId: ID!, $indexKey: String!, $indexValues: [String!]!) "
    "{ queryRealtimeMany(queryId: $queryId, indexKey: $indexKey, indexValues: $indexValues) "
    f"{{ {RESULT} }} }}"
)
EXTRACT_MANY = (
    "query extractRealtimeMany($queryId: ID!, $etlPath: String!, $indexKey: String!, $indexValues: [String!]!) "
    "{ extractRealtimeMany(queryId: $queryId, etlPath: $etlPath, indexKey: $indexKey, indexValues: $indexValues) "
    f"{{ {RESULT} }} }}"
)


def documents() -> list[str]:
    """All of them, in the order of this file."""
    named = [text for name, text in globals().items() if name.isupper() and isinstance(text, str)]
    return [text for text in named if text.startswith(("query ", "mutation "))]


def manifest() -> str:
    """Each text under the SHA-256 of it."""
    texts = {f"sha256:{hashlib.sha256(text.encode()).hexdigest()}": text for text in documents()}
    return json.dumps(texts, indent=2)
