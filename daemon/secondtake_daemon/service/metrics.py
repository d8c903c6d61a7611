"""Figures for Prometheus, as a text file for the textfile collector of node_exporter. Off unless `metrics_file` is set.

Format: https://prometheus.io/docs/instrumenting/exposition_formats/ (text, version 0.0.4).
"""

from __future__ import annotations

import os
import re
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from secondtake._version import __version__
from secondtake.messages import JobState, JobView
from secondtake_daemon.service.log import Log

__all__ = ["Metrics", "MetricsFile", "Present"]

_EVERY_S = 15.0
_SIGNAL = re.compile(r"\bSIG[A-Z0-9]+\b")


@dataclass(frozen=True, slots=True, kw_only=True)
class Present:
    """What is so just now."""

    queued: int
    running: int
    clients: int
    workers: int
    free_bytes: Mapping[str, int]
    """Of the home's disks, by what they hold."""
    is_paused: bool
    is_degraded: bool


@dataclass(slots=True)
class _Sum:
    count: int = 0
    seconds: float = 0.0

    def add(self, seconds: float) -> None:
        self.count += 1
        self.seconds += seconds


@dataclass(slots=True)
class _Course:
    """Where a job is, since when."""

    waits_since_s: float | None
    phase: str = ""
    since_s: float = 0.0


@dataclass(slots=True)
class Metrics:
    """Counts since the daemon began. Times are of the monotonic clock."""

    ended: Counter[str] = field(default_factory=Counter)
    failed: Counter[str] = field(default_factory=Counter)
    deaths: Counter[str] = field(default_factory=Counter)
    acks: _Sum = field(default_factory=_Sum)
    waits: _Sum = field(default_factory=_Sum)
    phases: dict[str, _Sum] = field(default_factory=dict)
    _courses: dict[str, _Course] = field(default_factory=dict)

    def accepted(self, jobs: Iterable[str], *, seconds: float, now_s: float) -> None:
        """Jobs were written to the journal together, in so many seconds."""
        for job in jobs:
            self.acks.add(seconds)
            self._courses[job] = _Course(waits_since_s=now_s)

    def changed(self, view: JobView, *, now_s: float) -> bool:
        """A job changed. True if it came into another phase."""
        course = self._courses.setdefault(view.job, _Course(waits_since_s=None))
        if view.state is JobState.RUNNING and course.waits_since_s is not None:
            self.waits.add(now_s - course.waits_since_s)
            course.waits_since_s = None
        phase = view.phase.value if view.phase is not None and view.state is JobState.RUNNING else ""
        is_new = phase != course.phase
        if is_new:
            if course.phase:
                self.phases.setdefault(course.phase, _Sum()).add(now_s - course.since_s)
            course.phase, course.since_s = phase, now_s
        if view.state.is_final:
            del self._courses[view.job]
            self.ended[view.state.value] += 1
            if view.error is not None and view.state is JobState.FAILED:
                self.failed[view.error.code] += 1
        return is_new

    def worker_died(self, reason: str) -> None:
        """A worker is gone that nobody had sent away."""
        found = _SIGNAL.search(reason)
        self.deaths[found[0] if found else "status"] += 1

    def text(self, present: Present) -> str:
        """The whole file."""
        lines = [f'secondtake_info{{version="{__version__}"}} 1']
        states = {"queued": present.queued, "running": present.running}
        lines += _labelled("secondtake_jobs", "state", states)
        lines += _labelled("secondtake_jobs_ended_total", "state", self.ended)
        lines += _labelled("secondtake_jobs_failed_total", "code", self.failed)
        lines += _summed("secondtake_queue_wait_seconds", "", self.waits)
        for phase, total in sorted(self.phases.items()):
            lines += _summed("secondtake_phase_seconds", f'{{phase="{phase}"}}', total)
        lines += _summed("secondtake_acks_seconds", "", self.acks)
        lines += _labelled("secondtake_worker_deaths_total", "reason", self.deaths)
        lines += _labelled("secondtake_disk_free_bytes", "disk", present.free_bytes)
        single = {
            "clients": present.clients,
            "workers": present.workers,
            "paused": int(present.is_paused),
            "degraded": int(present.is_degraded),
        }
        lines += [f"secondtake_{name} {value}" for name, value in single.items()]
        return "\n".join([*_with_types(lines), ""])


class MetricsFile:
    """Replaced each 15 s while the daemon runs, gone when it has ended. A disk that will not take it is no matter."""

    def __init__(self, path: Path, log: Log) -> None:
        self._path = path
        self._log = log
        self._due_s = float("-inf")
        self._has_warned = False

    def is_due(self) -> bool:
        """True each 15 s."""
        now_s = time.monotonic()
        if now_s < self._due_s:
            return False
        self._due_s = now_s + _EVERY_S
        return True

    def write(self, text: str) -> None:
        """Put it in the place of the last one: who reads sees one or the other."""
        part = self._path.with_name(f".{self._path.name}.{os.getpid()}.part")
        try:
            part.write_text(text, encoding="utf-8")
            part.replace(self._path)
        except OSError as error:
            if not self._has_warned:
                self._log.warning("metrics not written", reason=str(error))
            self._has_warned = True
            with suppress(OSError):
                part.unlink(missing_ok=True)

    def remove(self) -> None:
        """The daemon ends: old figures must not look like new ones."""
        with suppress(OSError):
            self._path.unlink(missing_ok=True)


def _labelled(name: str, label: str, values: Mapping[str, int]) -> list[str]:
    return [f'{name}{{{label}="{key}"}} {value}' for key, value in sorted(values.items())]


def _summed(name: str, labels: str, total: _Sum) -> list[str]:
    return [f"{name}_sum{labels} {total.seconds:.6f}", f"{name}_count{labels} {total.count}"]


def _with_types(lines: Iterable[str]) -> Iterable[str]:
    """Each metric's kind before its first line."""
    last = ""
    for line in lines:
        name = re.split(r"[{ ]", line, maxsplit=1)[0]
        family = re.sub(r"_(sum|count)$", "", name) if name.endswith(("_sum", "_count")) else name
        if family != last:
            kind = "counter" if name.endswith("_total") else "summary" if family != name else "gauge"
            yield f"# TYPE {family} {kind}"
            last = family
        yield line
