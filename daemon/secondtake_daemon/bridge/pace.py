"""How long a phase of a job will still take, from how fast it was until now."""

from __future__ import annotations

from secondtake.messages import JobView, Phase

__all__ = ["Pace"]

_LEAST_FRAMES = 2


class Pace:
    """Of one job; told of each state it is seen in."""

    def __init__(self) -> None:
        self._phase: Phase | None = None
        self._done = 0
        self._began_s = 0.0
        self._last_s = 0.0
        self._last_done = 0

    def eta_s(self, view: JobView, *, now_s: float) -> float | None:
        """Seconds to the end of the phase; None before two frames of it were seen to end."""
        if view.phase is None or not view.total:
            self._phase = None
            return None
        if view.phase is not self._phase or view.done < self._last_done:
            self._phase, self._done, self._began_s = view.phase, view.done, now_s
            self._last_done, self._last_s = view.done, now_s
        if view.done > self._last_done:
            self._last_done, self._last_s = view.done, now_s
        made = self._last_done - self._done
        if made < _LEAST_FRAMES:
            return None
        pace_s = (self._last_s - self._began_s) / made
        return round(max((view.total - view.done) * pace_s - (now_s - self._last_s), 0.0), 1)
