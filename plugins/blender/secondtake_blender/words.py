"""Sentences that the panels say. Nothing of Blender, nothing but text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .refusal import Refusal

__all__ = ["STEP_WORDS", "error_line", "job_words", "one_line", "time_left"]

STEP_WORDS = {
    "render": "Rendering in a background Blender",
    "asked": "Handing it to the daemon",
}
_PHASES = {"prepare": "Preparing", "load": "Loading the engine", "render": "Working", "publish": "Publishing"}
_LONGEST = 300


def one_line(text: str) -> str:
    """The text without line breaks, cut where nobody reads on."""
    joined = " ".join(text.split())
    return joined if len(joined) <= _LONGEST else joined[: _LONGEST - 1] + "…"


def error_line(problem: Exception) -> str:
    """What is wrong and what to do, as one line."""
    text = str(problem)
    if not isinstance(problem, Refusal) and getattr(problem, "remedy", None) == "" and not getattr(problem, "path", ""):
        text = str(getattr(problem, "message", text))
    return one_line(text)


def time_left(seconds: float | None) -> str:
    """`about 2 min left`; "" while nobody can tell."""
    if seconds is None:
        return ""
    if seconds < 90:
        return f"about {max(round(seconds), 1)} s left"
    return f"about {round(seconds / 60)} min left"


def job_words(job: Mapping[str, Any]) -> str:
    """How a job is, from the bridge's own fields: what it does, at which frame, how far."""
    if job["state"] != "running":
        return str(job["waits"] or job["words"]).capitalize()
    said = [_PHASES.get(str(job["phase"]), str(job["phase"]).capitalize() or "Starting")]
    if job["frame"] is not None:
        said.append(f"frame {job['frame']}")
    if job["total"]:
        said.append(f"{job['done']} of {job['total']}")
    return ", ".join(filter(None, (*said, time_left(job["eta_s"]))))
