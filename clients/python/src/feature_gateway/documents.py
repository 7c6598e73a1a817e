"""
Every GraphQL document that the client sends, as it sends it. `python -m feature_gateway.documents` prints their manifest,
for gateways that answer trusted documents only (TRUSTED_DOCUMENTS_FILE).
"""

from __future__ import annotations

import hashlib
import json

COLUMNS = "columns { name type nullable }"
SAVED_QUERY = f"id name version sql description tags determinism determinismNote {COLUMNS}"
ETL = f"id name version path language commit {COLUMNS}"
DATASET = (
    f"id status rowCount progress elapsedMs error errorCode createdAt {COLUMNS} query {{ id name version }}"
)
VIEW = (
    "id name indexKeys refresh refreshEvery ttlSeconds refreshedAt query { id name version } etl { id name version }"
    " freshness { keptBy behindSeconds note }"
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
    "$tags: [String!], $waitMs: Int!) { queryTrain(query: $query, queryName: $queryName, save: $save, "
    "description: $description, tags: $tags, waitMs: $waitMs) "
    f"{{ query {{ {SAVED_QUERY} }} dataset {{ {DATASET} }} }} }}"
)
EXTRACT_TRAIN = (
    "mutation extractTrain($queryId: ID!, $etlPath: String!, $etlName: String, $save: Boolean!, $waitMs: Int!) "
    "{ extractTrain(queryId: $queryId, etlPath: $etlPath, etlName: $etlName, save: $save, waitMs: $waitMs) "
    f"{{ etl {{ {ETL} }} dataset {{ {DATASET} }} }} }}"
)
DATASET_BY_ID = f"query dataset($id: ID!) {{ dataset(id: $id) {{ {DATASET} }} }}"
DATASET_LOG = "query datasetLog($id: ID!) { dataset(id: $id) { log } }"
DELETE_DATASET = "mutation deleteDataset($id: ID!) { deleteDataset(id: $id) }"
CANCEL_JOB = "mutation cancelJob($id: ID!) { cancelJob(id: $id) { id } }"

CREATE_VIEW = (
    "mutation createFeatureView($name: String!, $queryId: ID!, $etlId: ID, $indexKeys: [String!]!, $createdColumn: String, "
    "$ttlSeconds: Int, $refresh: RefreshPolicy!, $refreshEvery: String, $lateness: String!) "
    "{ createFeatureView(name: $name, queryId: $queryId, etlId: $etlId, indexKeys: $indexKeys, "
    "createdColumn: $createdColumn, ttlSeconds: $ttlSeconds, refresh: $refresh, refreshEvery: $refreshEvery, "
    f"lateness: $lateness) {{ {VIEW} }} }}"
)
REFRESH_VIEW = f"mutation refreshFeatureView($id: ID!) {{ refreshFeatureView(id: $id) {{ {VIEW} }} }}"
DELETE_VIEW = "mutation deleteFeatureView($id: ID!) { deleteFeatureView(id: $id) }"
PARITY = (
    "query parity($featureViewId: ID!, $sample: Int!) { parity(featureViewId: $featureViewId, sample: $sample) "
    "{ sampled mismatched missing extra undetermined examples } }"
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


if __name__ == "__main__":
    print(manifest())
