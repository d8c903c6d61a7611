"""Show the extension in a Blender with a window, on a screen that nobody sees: `make gui-test`.

    python tests/blender/gui/window.py BLENDER [--chroot FOLDER] [--pictures FOLDER]

BLENDER is a program of Blender 5.0 or later; with --chroot it lies in that folder, such as one made of Debian sid by
mmdebstrap with the packages blender, libgl1, libegl1, libgl1-mesa-dri and fonts-dejavu-core. Needs Xvfb, xdotool and
ImageMagick's `import`; --chroot needs root. The mouse is real: the box is pulled by events. Prints the ticks' times.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
import OpenEXR

ROOT = Path(__file__).resolve().parents[3]
SCREEN = ":78"
SIZE = (1600, 1200)
MOST_TICK_MS, MOST_SUBMIT_MS = 5.0, 50.0
_LONGEST_S = 400
_TOOLS = ("Xvfb", "xdotool", "import")


def main() -> int:
    """Run the story; 0 if every step came and the ticks were short."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("blender", nargs="?", default="blender")
    asked.add_argument("--chroot", type=Path)
    asked.add_argument("--pictures", type=Path)
    options = asked.parse_args()
    missing = [tool for tool in _TOOLS if shutil.which(tool) is None]
    if missing:
        print(f"gui-test needs {', '.join(missing)}: apt-get install xvfb xdotool imagemagick")
        return 2
    work = Path(tempfile.mkdtemp(prefix="stgui-"))
    try:
        prepare(work)
        with screen(), mounted(work, options.chroot):
            watch(start(options.blender, work, options.chroot), work)
        return report(work, options.pictures)
    finally:
        subprocess.run(
            [sys.executable, "-m", "secondtake_daemon", "daemon", "stop"],
            env=environment(work),
            check=False,
            capture_output=True,
        )
        shutil.rmtree(work, ignore_errors=True)


def prepare(work: Path) -> None:
    """The plate, the extension as it is packaged, a home with a launcher file, and the script inside."""
    (work / "plate").mkdir()
    for number in range(1001, 1013):
        write_plate(work / "plate" / f"sh010.{number}.exr", number)
    installed = work / "user" / "extensions" / "user_default"
    installed.mkdir(parents=True)
    spec = importlib.util.spec_from_file_location("packaging_blender", ROOT / "installers" / "blender.py")
    assert spec is not None and spec.loader is not None
    packaging = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(packaging)
    packaging.stage(installed)
    shutil.copy(Path(__file__).with_name("inside.py"), work)
    for words in (("bridge", "--install"), ("daemon", "start")):
        command = [sys.executable, "-P", "-m", "secondtake_daemon", *words]
        subprocess.run(command, env=environment(work), check=True, stdout=subprocess.DEVNULL)


def write_plate(path: Path, number: int) -> None:
    """A wall with a poster that a slow pan crosses, and a red thing to take away; (540, 960, 3) float32."""
    y, x = np.mgrid[0:540, 0:960].astype(np.float32)
    shift = (number - 1001) * 14.0
    wall = 0.22 + 0.05 * np.sin((x + shift) / 31) * np.cos(y / 27) + 0.03 * (((x + shift) // 80 + y // 60) % 2)
    picture = np.stack([wall * 1.1, wall, wall * 0.85], axis=-1)
    thing = (np.abs(x - 660) < 70) & (np.abs(y - 230) < 80)
    picture[thing] = (0.7, 0.12, 0.08)
    channels = {name: np.ascontiguousarray(picture[..., place], np.float32) for place, name in enumerate("RGB")}
    OpenEXR.File({"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage}, channels).write(str(path))


def environment(work: Path) -> dict[str, str]:
    """Of everything that is started here."""
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(("BLENDER_", "SECONDTAKE_", "OCIO"))
    }
    return {
        **kept, "SECONDTAKE_HOME": str(work / "home"), "SECONDTAKE_GUI": str(work), "HOME": str(work),
        "DISPLAY": SCREEN,
        "LIBGL_ALWAYS_SOFTWARE": "1", "GALLIUM_DRIVER": "llvmpipe", "PYTHONDONTWRITEBYTECODE": "1",
        "BLENDER_USER_RESOURCES": str(work / "user"), "BLENDER_SYSTEM_SCRIPTS": "",
    }  # fmt: skip


@contextmanager
def screen() -> Iterator[None]:
    """A screen in memory."""
    server = subprocess.Popen(
        ["Xvfb", SCREEN, "-screen", "0", f"{SIZE[0]}x{SIZE[1]}x24", "+extension", "GLX"], stderr=subprocess.DEVNULL
    )
    time.sleep(1)
    try:
        yield
    finally:
        server.terminate()
        server.wait()


@contextmanager
def mounted(work: Path, chroot: Path | None) -> Iterator[None]:
    """The folders that both sides see, at the same path inside: the shot, the screen's socket, and our own Python."""
    if chroot is None:
        yield
        return
    shared = [work, Path(tempfile.gettempdir()) / ".X11-unix", ROOT, Path(sys.base_prefix), Path("/proc")]
    done: list[Path] = []
    try:
        for folder in shared:
            inside = chroot / folder.relative_to("/")
            inside.mkdir(parents=True, exist_ok=True)
            subprocess.run(["mount", "--bind", folder, inside], check=True)
            done.append(inside)
        yield
    finally:
        for inside in reversed(done):
            subprocess.run(["umount", "-l", inside], check=False)


def start(blender: str, work: Path, chroot: Path | None) -> subprocess.Popen[bytes]:
    """Blender with its window."""
    command = [
        blender, "--factory-startup", "--gpu-backend", "opengl", "--window-geometry", "0", "0", *map(str, SIZE),
        "--python", str(work / "inside.py"),
    ]  # fmt: skip
    if chroot is not None:
        command = ["chroot", str(chroot), *command]
    log = (work / "blender.log").open("wb")
    return subprocess.Popen(
        command, env=environment(work), stdout=log, stderr=subprocess.STDOUT, start_new_session=True
    )


def watch(blender: subprocess.Popen[bytes], work: Path) -> None:
    """Be hand and eye until Blender ends: take the pictures it wants, pull the box it names."""
    end_s = time.monotonic() + _LONGEST_S
    is_dismissed = False
    while blender.poll() is None and time.monotonic() < end_s:
        time.sleep(0.1)
        if (work / "ready").exists() and not is_dismissed:
            point("mousemove", SIZE[0] - 60, SIZE[1] - 8, "click", 1)  # the splash goes
            is_dismissed = True
        if (work / "want").exists():
            name = (work / "want").read_text()
            subprocess.run(["import", "-window", "root", work / name], env=environment(work), check=False)
            (work / "want").unlink()
        if (work / "drag").exists():
            x0, y0, x1, y1 = map(int, (work / "drag").read_text().split())
            (work / "drag").unlink()
            point(
                "mousemove",
                x0,
                y0,
                "sleep",
                0.3,
                "mousedown",
                1,
                "sleep",
                0.2,
                "mousemove",
                (x0 + x1) // 2,
                (y0 + y1) // 2,
            )
            point("sleep", 0.2, "mousemove", x1, y1, "sleep", 0.3, "mouseup", 1)
    if blender.poll() is None:
        with suppress(ProcessLookupError):
            os.killpg(blender.pid, signal.SIGKILL)


def point(*words: object) -> None:
    subprocess.run(["xdotool", *map(str, words)], env={**os.environ, "DISPLAY": SCREEN}, check=False)


def report(work: Path, pictures: Path | None) -> int:
    """Say how it went, and keep the pictures."""
    made = sorted(work.glob("*.png"))
    for path in made:
        if pictures is not None:
            pictures.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, pictures)
    if not (work / "result.json").exists():
        failure = work / "failure.txt"
        print(failure.read_text() if failure.exists() else (work / "blender.log").read_text(errors="replace")[-4000:])
        return 1
    figures = json.loads((work / "result.json").read_text())
    submit = f"submit {figures['submit_ms']:.1f} ms"
    ticks = f"{figures['ticks']} ticks, p99 {figures['p99_ms']:.2f} ms, worst {figures['worst_ms']:.2f} ms"
    print(f"Blender {figures['blender']}: {len(made)} pictures, {submit}, {ticks}")
    return 0 if figures["p99_ms"] < MOST_TICK_MS and figures["submit_ms"] < MOST_SUBMIT_MS else 1


if __name__ == "__main__":
    sys.exit(main())
