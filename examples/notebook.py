# %% [markdown]
# # Training data, and the same features in real time
# A data scientist's session with pandas: `pip install -r examples/requirements.txt`, start the gateway
# (`npm run demo`), then run this file cell by cell, or whole: `python examples/notebook.py`.

# %%
import json
import os
import urllib.error
import urllib.parse
import urllib.request

import pandas as pd

GATEWAY = os.environ.get("GATEWAY_URL", "http://127.0.0.1:4000")
# An API key or a token, for a gateway that asks who is calling (AUTH=required).
TOKEN = os.environ.get("GATEWAY_TOKEN")
CREDENTIALS = {"authorization": f"Bearer {TOKEN}"} if TOKEN else {}


def call(method, path, body=None, **parameters):
    """Calls a REST route and returns its JSON; a refusal says why."""
    url = f"{GATEWAY}{path}?{urllib.parse.urlencode(parameters)}"
    data = None if body is None else json.dumps(body).encode()
    headers = {"content-type": "application/json", **CREDENTIALS}
    request = urllib.request.Request(url, data, headers, method=method)
    try:
        with urllib.request.urlopen(request) as response:
            return json.load(response)
    except urllib.error.HTTPError as error:
        refusal = json.load(error)
        raise SystemExit(f"{refusal['code']}: {refusal['reason']}") from error


# %% Some history to work on: 500 emulated users' journeys.
print(call("PUT", "/publish", n_flows=500)["msg"])

# %% Query the warehouse for training; saved, so that a backend can ask for the same features.
SQL = """
SELECT Q.user_id, Q.is_binded, Q.creation_date, Q.binding_date, T.card_type, F.failed_count, P.purchase_time
FROM feature_store.quotes Q
LEFT JOIN feature_store.policies P ON Q.user_id = P.user_id
LEFT JOIN feature_store.transactions T ON P.user_id = T.user_id
LEFT JOIN (select T2.user_id, COUNT(T2.transaction_id) AS failed_count
           from feature_store.transactions T2 WHERE T2.successful=false GROUP BY T2.user_id) F ON Q.user_id = F.user_id
"""
training = call("POST", "/query/train", {"query": SQL, "query_name": "quote_features"}, save="true")
print(training["query_id"], training["dataset_id"], [column["name"] for column in training["columns"]])

# %% All rows by the dataset's Parquet URL.
frame = pd.read_parquet(f"{GATEWAY}/datasets/{training['dataset_id']}.parquet", storage_options=CREDENTIALS or None)
print(frame.describe(include="all").transpose()[["count", "unique"]])
print("card types:", frame["card_type"].value_counts(dropna=False).to_dict())

# %% The features of one user as a backend gets them for a prediction, equal to the training rows.
user_id = frame["user_id"].dropna().iloc[0]
realtime = call(
    "POST",
    "/query/realtime",
    {"query_id": training["query_id"], "index_key": "user_id", "index_value": user_id},
)
trained = frame[frame["user_id"] == user_id].astype(object)
trained = trained.where(trained.notna(), None).to_dict(orient="records")
served = realtime["data"]
print(realtime["status"], realtime["source"], served)
assert len(trained) == len(served) and all(row in trained for row in served), (trained, served)
print("training and serving agree")
