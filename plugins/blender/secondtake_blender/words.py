"""Sentences that the panels say. Nothing of Blender, nothing but text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .option_words import in_panel_words
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
    """What is wrong and what to do, as one line in the panel's words."""
    if isinstance(problem, Refusal):
        return one_line(str(problem))
    message = getattr(problem, "message", None)
    if message is None:
        return one_line(in_panel_words(str(problem)))
    # The daemon's, as host.py hands it on. Its path may hold anything, and stays as it is.
    said = [in_panel_words(text) for text in (message, getattr(problem, "remedy", "")) if text]
    path = getattr(problem, "path", "")
    if len(said) > 1 or path:
        said = [text if text.endswith((".", "?", "!")) else f"{text}." for text in said]
    return one_line(" ".join([*said, path]))


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
        said = str(job["waits"] or job["words"])
        return said[:1].upper() + said[1:]
    doing = [_PHASES.get(str(job["phase"]), str(job["phase"]).capitalize() or "Starting")]
    if job["frame"] is not None:
        doing.append(f"frame {job['frame']}")
    if job["total"]:
        doing.append(f"{job['done']} of {job['total']}")
    return ", ".join(filter(None, (*doing, time_left(job["eta_s"]))))
