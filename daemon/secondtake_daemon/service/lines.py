"""Waiting jobs: one line for each host, served in turn, so that nobody waits behind another's hundred jobs."""

from __future__ import annotations

from collections import deque

__all__ = ["Lines"]


class Lines:
    """First in, first out within a host; the hosts take turns. A line that got empty is forgotten."""

    def __init__(self) -> None:
        self._lines: dict[str, deque[str]] = {}
        self._turns: deque[str] = deque()

    def __len__(self) -> int:
        return sum(len(line) for line in self._lines.values())

    def add(self, host: str, job: str) -> None:
        """To the end of the host's line."""
        self._line(host).append(job)

    def put_back(self, host: str, job: str) -> None:
        """To the front again: it had its turn and lost its worker."""
        self._line(host).appendleft(job)

    def take(self) -> str | None:
        """The next job of the host whose turn it is, or None."""
        if not self._turns:
            return None
        host = self._turns.popleft()
        line = self._lines[host]
        job = line.popleft()
        if line:
            self._turns.append(host)
        else:
            del self._lines[host]
        return job

    def remove(self, host: str, job: str) -> None:
        """Take a job out of the middle. Raises ValueError if it does not wait there."""
        line = self._lines.get(host)
        if line is None:
            raise ValueError(f"{host} has no line")
        line.remove(job)
        if not line:
            del self._lines[host]
            self._turns.remove(host)

    def _line(self, host: str) -> deque[str]:
        if host not in self._lines:
            self._lines[host] = deque()
            self._turns.append(host)
        return self._lines[host]
