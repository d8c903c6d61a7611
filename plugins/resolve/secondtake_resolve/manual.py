"""Without Python in Resolve: watch a folder for an exported range, fix it, and leave what the Lua script brings back.

    python -m secondtake_resolve.manual FOLDER

In the folder: the range as EXR, the matte (`matte.json`, `matte.exr`, or a folder `matte` of frames), and
`instruction.txt`: the operation, if need be a line `colourspace NAME`, and the instruction. The take goes to `take`,
and beside it lies `take.lua` for the script *Bring back takes (manual)*.
"""

from __future__ import annotations

import os
import re
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from . import VERSION
from .flow_bring_back import Result
from .host import Bridge, new_job
from .landing import result_of
from .refusal import Cancelled, Refusal
from .sequence import printf_pattern, safe_name
from .talk import Talk

__all__ = ["Order", "find_order", "lua_text", "main"]

_PERIOD_S = 1.0
_NUMBERED = re.compile(r"^(?P<stem>.*?)(?P<digits>\d+)\.exr$", re.IGNORECASE)


@dataclass(frozen=True)
class Order:
    """What lies in a folder, whole."""

    plate: str
    first: int
    last: int
    matte: str
    operation: str
    instruction: str
    colourspace: str


def main(arguments: Sequence[str]) -> int:
    """Watch one folder until its range was fixed; the exit status."""
    if len(arguments) != 1 or not Path(arguments[0]).is_dir():
        sys.stderr.write(
            "Name the folder that the range is exported into: python -m secondtake_resolve.manual FOLDER\n"
        )
        return 2
    folder = Path(arguments[0]).resolve()
    bridge = Bridge(
        name="resolve/manual", version=f"secondtake_resolve/{VERSION}", home=os.environ.get("SECONDTAKE_HOME", "")
    )
    talk = Talk(bridge, tick=_said)
    try:
        order = wait_for_order(folder, sleep=time.sleep)
        result = _fix(talk, folder, order)
        (folder / "take.lua").write_text(lua_text(result, order, shot=safe_name(folder.name)), encoding="utf-8")
    except Refusal as refusal:
        sys.stderr.write(f"{refusal}\n")
        return 1
    except (Cancelled, KeyboardInterrupt):
        return 3
    finally:
        talk.close()
    sys.stderr.write(
        f"Take {result.take} is in {result.folder}. In Resolve: Scripts, Second Take, Bring back takes (manual)\n"
    )
    return 0


def wait_for_order(folder: Path, *, sleep: Callable[[float], None]) -> Order:
    """The order once it is whole: every file there, and none that still grows."""
    before: object = None
    while True:
        files = sorted(path for path in folder.rglob("*") if path.is_file() and "take" not in path.parts)
        now = [(path, path.stat().st_size) for path in files]
        if now == before and (order := find_order(folder)) is not None:
            return order
        before = now
        sleep(_PERIOD_S)


def find_order(folder: Path) -> Order | None:
    """What lies in the folder; None while something is missing. Raises Refusal for what cannot be one range."""
    found = [match for path in sorted(folder.glob("*.[eE][xX][rR]")) if (match := _NUMBERED.match(path.name))]
    text, matte = folder / "instruction.txt", _matte_of(folder)
    if not found or not matte or not text.is_file():
        return None
    if len({(match["stem"], len(match["digits"])) for match in found}) > 1:
        raise Refusal(
            "There is more than one range in the folder", remedy="Export one range into a folder", path=str(folder)
        )
    numbers = [int(match["digits"]) for match in found]
    if numbers != list(range(numbers[0], numbers[-1] + 1)):
        return None
    operation, _, rest = text.read_text(encoding="utf-8").strip().partition("\n")
    space, _, instruction = rest.partition("\n") if rest.startswith("colourspace ") else ("", "", rest)
    return Order(
        plate=str(folder / f"{found[0]['stem']}{'#' * len(found[0]['digits'])}.exr"),
        first=numbers[0],
        last=numbers[-1],
        matte=matte,
        operation=operation.strip() or "remove",
        instruction=instruction.strip(),
        colourspace=space[len("colourspace ") :].strip(),
    )


def lua_text(result: Result, order: Order, *, shot: str) -> str:
    """What the Lua script reads. It places the take at the clip under the playhead."""
    pattern = f"{result.folder.rstrip('/')}/{printf_pattern(result.pattern)}"
    quoted = pattern.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'return {{ pattern = "{quoted}", first = {order.first}, last = {order.last}, shot = "{shot}" }}\n'


def _matte_of(folder: Path) -> str:
    for name in ("matte.json", "matte.exr"):
        if (folder / name).is_file():
            return str(folder / name)
    frames = sorted(path for path in (folder / "matte").glob("*") if re.search(r"\d\.\w+$", path.name))
    if not frames:
        return ""
    stem = frames[0].stem.rstrip("0123456789")
    return str(folder / "matte" / f"{stem}{'#' * (len(frames[0].stem) - len(stem))}{frames[0].suffix}")


def _fix(talk: Talk, folder: Path, order: Order) -> Result:
    job = new_job()
    talk.ask(
        "fix", timeout_s=120.0, job=job, out=str(folder / "take"), plate=order.plate, matte=order.matte,
        operation=order.operation, instruction=order.instruction, colourspace=order.colourspace,
    )  # fmt: skip
    ended = talk.watch(job)
    if ended["state"] != "done":
        error = ended.get("error") or {}
        raise Refusal(
            str(error.get("message") or f"The fix was {ended['state']}"), remedy=str(error.get("remedy") or "Try again")
        )
    return result_of(ended)


def _said(words: str, share: float) -> bool:
    sys.stderr.write(f"\r{words} ({share:.0%})   ")
    return True


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
