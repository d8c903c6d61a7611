"""The bridge child: started at the first use, asked, and listened to. Nothing here waits."""

from __future__ import annotations

from collections.abc import Callable

import bpy

from . import jobs_heard, preferences
from .compat import Rna
from .engine import BUILT_IN, Engine
from .host import Answer, Bridge, Event, Problem, State, read_launcher
from .option_words import in_panel_words
from .refusal import Refusal
from .state import live
from .words import error_line

__all__ = ["VERSION", "ask", "connect", "connection_line", "disconnect", "hear"]

VERSION = "0.1.0"
_QUIET = frozenset({State.IDLE, State.CLOSED})


def connect() -> None:
    """Start the bridge, and with it the daemon, if they do not run. Raises Refusal if Second Take is not installed."""
    bridge = _bridge()
    is_new = bridge.state is State.IDLE
    bridge.start()
    if is_new or live.daemon != "running":
        ask("start", _heard_status)


def disconnect() -> None:
    """Hang up; jobs go on in the daemon. At most two seconds."""
    bridge, live.bridge = live.bridge, None
    live.then.clear()
    if bridge is not None:
        bridge.close()


def ask(method: str, then: Callable[[Answer], None] | None = None, **params: Rna) -> None:
    """Ask the bridge; `then` gets the answer in a later tick of the pump. Raises Refusal if it cannot be asked."""
    try:
        number = _bridge().call(method, **params)
    except Problem as problem:
        raise Refusal(problem.message, remedy=problem.remedy, path=problem.path) from problem
    if then is not None:
        live.then[number] = then


def is_there() -> bool:
    """True if the bridge was started and not found wanting."""
    return live.bridge is not None and live.bridge.state in (State.STARTING, State.READY)


def connection_line() -> tuple[str, bool]:
    """How the connection is, in one line with what to do, and whether all is well."""
    bridge = live.bridge
    if bridge is None or bridge.state in _QUIET:
        return "Not connected. Press Connect", False
    if bridge.state is State.READY and not bridge.why:
        if live.daemon == "running":
            return f"Connected to Second Take {live.daemon_version}".strip(), True
        return live.daemon_why or "Waiting for the daemon", live.daemon == ""
    if bridge.why:
        return error_line(Exception(bridge.why)), False
    return "Connecting", True


def hear(message: Answer | Event) -> None:
    """Take in one message of the bridge."""
    if isinstance(message, Answer):
        then = live.then.pop(message.id, None)
        if then is not None:
            then(message)
    elif message.name == "job":
        jobs_heard.hear_job(message.body)
    elif message.name == "daemon":
        live.daemon, live.daemon_why = str(message.body["state"]), error_line(Exception(str(message.body["why"])))
    elif message.name == "waiting":
        live.daemon_why = error_line(Exception(str(message.body["why"])))
    elif message.name == "state" and message.body["state"] == State.WAITING.value:
        live.daemon = ""


def _bridge() -> Bridge:
    """The bridge, made but not started if there is none."""
    if live.bridge is None:
        home = preferences.home()
        try:
            read_launcher(home)
        except Problem as problem:
            raise Refusal(problem.message, remedy=problem.remedy, path=problem.path) from problem
        live.bridge = Bridge(
            name=f"blender/{'.'.join(map(str, bpy.app.version))}", version=f"secondtake_blender/{VERSION}", home=home
        )
    return live.bridge


def _heard_status(answer: Answer) -> None:
    if answer.error is not None:
        live.daemon, live.daemon_why = "none", error_line(answer.error)
        return
    said = answer.result or {}
    live.daemon, live.daemon_why = str(said["daemon"]), error_line(Exception(str(said["why"])))
    live.daemon_version = str(said["version"])
    live.engines = tuple(
        Engine(
            name=str(card["name"]),
            summary=str(card["summary"]),
            operations=tuple(card["operations"]),
            is_available=bool(card["available"]),
            why_not=in_panel_words(str(card["why_not"])),
            controls=tuple(card.get("controls", ())),
            reads_motion=bool(card.get("reads_motion", card["name"] == BUILT_IN)),
            makes_whole_frames=bool(card.get("whole_frames", False)),
            looks=int(card.get("looks", 0)),
            needs_words=tuple(card.get("needs_words", ())),
            needs_painted=tuple(card.get("needs_painted", ())),
        )
        for card in said["engines"]
    )
