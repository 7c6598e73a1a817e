# Feast's SDK with a remote online store at the URL of the second argument: what it gives for the requests on standard input.

import json
import os
import sys

from feast import FeatureStore, RepoConfig

folder, url = sys.argv[1:3]
store = FeatureStore(
    config=RepoConfig(
        project="drivers",
        registry=os.path.join(folder, "registry.db"),
        provider="local",
        online_store={"type": "remote", "path": url},
        entity_key_serialization_version=3,
    )
)
answers = []
for request in json.load(sys.stdin):
    features = request["features"]
    if isinstance(features, str):
        features = store.get_feature_service(features)
    response = store.get_online_features(
        features=features,
        entity_rows=request["entities"],
        full_feature_names=request.get("full_feature_names", False),
    )
    answers.append(response.to_dict())
json.dump(answers, sys.stdout)
