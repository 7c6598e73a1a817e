"""What the pages show runs as it stands."""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd
import pytest

from feature_gateway import Gateway

PACKAGE = Path(__file__).parents[1]


@pytest.mark.parametrize("page", [PACKAGE / "README.md", PACKAGE.parents[1] / "README.md"], ids=str)
def test_the_pages_code_runs(gw: Gateway, page: Path, name: str) -> None:
    frame = pd.DataFrame(
        {
            "station": ["Bergen", "Davos", "Bergen"],
            "day": pd.to_datetime(["2026-01-01", "2026-01-01", "2026-01-02"], utc=True),
            "celsius": [1.5, -8.0, 3.0],
        }
    )
    labels = pd.DataFrame({"station": ["Davos"], "event_timestamp": [frame["day"][2]], "label": [True]})
    blocks = re.findall(
        r"^```python\n(from feature_gateway.*?)^```$", page.read_text(), re.MULTILINE | re.DOTALL
    )
    assert len(blocks) == 1
    scope = {"frame": frame, "labels": labels}
    # A table of its own for each page.
    exec(blocks[0].replace("readings", name), scope)  # noqa: S102
    assert scope["train"]["celsius"].tolist() == [-8.0]
    assert scope["now"]["celsius"].tolist() == [3.0]
