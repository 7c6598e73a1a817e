"""How far a dataset is, as a bar: in notebooks, and in terminals that somebody looks at."""

from __future__ import annotations

import importlib.util
import sys
from types import TracebackType
from typing import Any

KNOWN = "{desc}: {percentage:3.0f}%|{bar}| {elapsed}{postfix}"
UNKNOWN = "{desc}: {elapsed}{postfix}"


class ProgressBar:
    """Nothing is drawn for what is done at once. `wanted`: None draws where somebody looks."""

    def __init__(self, title: str, wanted: bool | None):
        self._title = title
        self._wanted = _is_looked_at() if wanted is None else wanted
        self._bar: Any = None

    def __enter__(self) -> ProgressBar:
        return self

    def show(self, done: float | None, words: str) -> None:
        """`done` from 0 to 1; None where nobody knows."""
        if not self._wanted:
            return
        if self._bar is None:
            self._bar = _tqdm()(
                total=1.0, desc=self._title, bar_format=UNKNOWN, leave=False, disable=False, file=sys.stderr
            )
        if done is not None:
            self._bar.bar_format = KNOWN
            self._bar.n = max(self._bar.n, min(done, 1.0))
        self._bar.set_postfix_str(words)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.close()


def _is_looked_at() -> bool:
    return _in_notebook() or sys.stderr.isatty()


def _in_notebook() -> bool:
    shell = sys.modules.get("IPython")
    running = shell.get_ipython() if shell is not None else None
    return running is not None and type(running).__name__ == "ZMQInteractiveShell"


def _tqdm() -> Any:
    """Widgets where the notebook has them, else a line of text."""
    if _in_notebook() and importlib.util.find_spec("ipywidgets") is not None:
        from tqdm.notebook import tqdm as widget

        return widget
    from tqdm import tqdm

    return tqdm
