"""What the menu scripts call. Finds Resolve, opens a window, runs a verb; whatever goes wrong becomes one sentence."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from . import VERSION
from .app import App
from .calls import Host
from .editions import Edition
from .face import Face, open_face
from .host import Bridge, Problem, new_job, read_launcher
from .refusal import Cancelled, Refusal
from .talk import Talk
from .workplace import Workplace, default_folder

__all__ = ["find_resolve", "main"]

_LOG_BYTES = 1 << 20


def main(verb: str, scope: Mapping[str, Any], *, face: Face | None = None) -> int:
    """Run a verb: fix, bring_back, accept or open. scope: the globals of the menu script. The exit status."""
    shown: Face | None = face
    try:
        host = Host(find_resolve(scope))
        edition = host.edition()
        shown = face or open_face(edition, fusion=scope.get("fusion") or scope.get("fu"), bmd=scope.get("bmd"))
        _run(verb, host, edition, shown)
    except Cancelled:
        return 0
    except Refusal as refusal:
        _say(shown, str(refusal))
        return 1
    except Exception as error:  # noqa: BLE001 — the artist reads one line, whoever mends it reads the log
        log = _write_log()
        said = " ".join(str(error).split()) or type(error).__name__
        _say(shown, f"Something went wrong: {said}. Please report it, with the log {log}")
        return 1
    finally:
        if shown is not None and face is None:
            shown.close()
    return 0


def find_resolve(scope: Mapping[str, Any]) -> Any:  # noqa: ANN401 — untyped at run time
    """The application: as a global of menu scripts, by one of its makers, or by its module. Raises Refusal."""
    makers: tuple[Callable[[], Any], ...] = (
        lambda: scope.get("resolve"),
        lambda: scope["app"].GetResolve(),
        lambda: scope["bmd"].scriptapp("Resolve"),
        _from_module,
    )
    for make in makers:
        try:
            found = make()
        except Exception:  # noqa: BLE001 — each may be missing in its own way
            continue
        if found is not None:
            return found
    raise Refusal("DaVinci Resolve was not found", remedy="Start this from Workspace, Scripts, Second Take")


def _from_module() -> Any:  # noqa: ANN401
    """By the module that Resolve ships for scripts outside of it."""
    import DaVinciResolveScript  # type: ignore[import-not-found]

    return DaVinciResolveScript.scriptapp("Resolve")


def _run(verb: str, host: Host, edition: Edition, face: Face) -> None:
    home = os.environ.get("SECONDTAKE_HOME", "")
    try:
        read_launcher(home)
    except Problem as problem:
        raise Refusal(problem.message, remedy=problem.remedy, path=problem.path) from problem
    version = ".".join(map(str, edition.version))
    bridge = Bridge(name=f"resolve/{version}", version=f"secondtake_resolve/{VERSION}", home=home)

    def tick(words: str, share: float) -> bool:
        if not host.is_there():
            raise Refusal("Resolve was closed", remedy="The job goes on; bring it back when Resolve runs again")
        return face.progress(words, share)

    talk = Talk(bridge, tick=tick)
    try:
        app = App(host=host, face=face, talk=talk, workplace=Workplace(default_folder()), new_job=new_job)
        {"fix": app.fix, "bring_back": app.bring_back, "accept": app.accept, "open": app.open}[verb]()
    finally:
        talk.close()


def _say(face: Face | None, line: str) -> None:
    """In the window, or where there is none to the script's own output."""
    try:
        if face is not None:
            face.tell([line])
            return
    except Refusal as refusal:
        line = f"{line}. {refusal}"
    sys.stderr.write(f"Second Take: {line}\n")


def _write_log() -> Path:
    path = default_folder() / "resolve.log"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        is_long = path.exists() and path.stat().st_size > _LOG_BYTES
        with path.open("w" if is_long else "a", encoding="utf-8") as log:
            traceback.print_exc(file=log)
    except OSError:
        traceback.print_exc()
    return path
