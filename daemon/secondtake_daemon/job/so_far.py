"""The quality figures of a take that is being made, told now and then: a bad frame is seen before the last one."""

from __future__ import annotations

import time
from collections.abc import Sequence

from secondtake_daemon.job.report import Report
from secondtake_daemon.takes.figures import figures_of
from secondtake_daemon.takes.ledger import Ledger

__all__ = ["SoFar"]

_PAUSE_S = 0.5


class SoFar:
    """Tells the figures of the frames in the ledger, at most twice a second."""

    def __init__(self, ledger: Ledger, *, windows: Sequence[Sequence[int]], report: Report) -> None:
        self._ledger = ledger
        self._windows = windows
        self._report = report
        self._told_at_s = float("-inf")

    def tell(self) -> None:
        """From the thread that also reports progress."""
        now_s = time.monotonic()
        if now_s - self._told_at_s < _PAUSE_S:
            return
        self._told_at_s = now_s
        records = dict(self._ledger.finished)
        self._report.figures(
            figures_of(
                frames={frame: one.figures for frame, one in records.items() if one.figures is not None},
                wanted=tuple(records),
                windows=self._windows,
                outside_changed=sum(one.outside_changed for one in records.values()),
            )
        )
