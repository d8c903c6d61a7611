"""docs/pictures.md and its strips: before, after, truth and Telea of one frame of a few shots."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

sys.path.append(str(Path(__file__).resolve().parents[1] / "quality"))

from array_shots import PLATES, ArrayShot, composited, job_in, rendered
from carry_scenes import make_carry
from scenes import make
from scores import display, psnr, telea
from textures import photographs

from secondtake.messages import Operation
from secondtake_daemon.engines.contract import Known, Patch, Window
from secondtake_daemon.engines.temporal.engine import TemporalEngine

Frames = NDArray[np.float32]
Picture = NDArray[np.float32]
"""(h, w, 3) in display encoding."""

_TILE = (230, 200)
_GAP_PX = 4
_BAND_PX = 18
_QUALITY = 80
_MOST_BYTES = 60_000

_TINTS = {Known.SEEN: (0.25, 0.75, 0.35), Known.CARRIED: (0.95, 0.7, 0.1), Known.INVENTED: (0.9, 0.15, 0.15)}

_MADE = (
    ("pan", 1, "A panning camera, somebody walks"),
    ("zoom", 0, "A zoom with roll"),
    ("wire", 3, "Wires"),
    ("parallax", 2, "Layers that move apart"),
    ("dyn", 4, "A second mover behind the hole"),
    ("nonrigid", 1, "A rippling surface"),
    ("rig", 1, "A box that moves with the camera; a part of what it hides is never seen"),
)
"""Kind, seed and title of the shots that are shown."""

_HEAD = """# Pictures

Made by `make bench` from shots of the benchmark ([performance.md](performance.md)): the middle frame of each, a piece
around the matte. The figure is the PSNR of this frame inside the matte. Telea is `cv2.inpaint`, frame by frame. The
truth has no grain inside the matte; the takes were made with `grain=none`.
"""


@dataclass(frozen=True, slots=True)
class Strip:
    """Tiles side by side, and what is said about them."""

    name: str
    title: str
    tiles: tuple[tuple[str, Picture], ...]
    caption: str


def write_pictures(docs: Path) -> None:
    """docs/pictures.md, and a JPEG for each strip in docs/pictures/. The rendered shots only where they are."""
    if not photographs():
        raise SystemExit("No pictures without photographs: pip install scikit-image")
    folder = docs / "pictures"
    folder.mkdir(exist_ok=True)
    parts = [_HEAD]
    for strip in _strips():
        path = folder / f"{strip.name}.jpg"
        _write(path, strip)
        order = " · ".join(label for label, _ in strip.tiles)
        parts.append(f"**{strip.title}.** {strip.caption}\n\n![{order}](pictures/{path.name})\n")
    (docs / "pictures.md").write_text("\n".join(parts), encoding="utf-8")


def _strips() -> Iterator[Strip]:
    if PLATES.is_dir():
        yield _removal("rendered-parallax", "Rendered parallax", rendered("parallax"))
    for kind, seed, title in _MADE:
        yield _removal(kind, f"{title} (`{kind}`, seed {seed})", make(kind, seed=seed, drawn=False))
    yield _confidence()
    yield _carry()


def _removal(name: str, title: str, shot: ArrayShot) -> Strip:
    assert shot.clean is not None
    at = len(shot.plates) // 2
    one = slice(at, at + 1)
    ours, other = composited(shot, [_patch(shot, at)])[one], telea(shot.plates[one], shot.holes[one])
    scores = [psnr(frames, shot.clean[one], shot.holes[one]) for frames in (ours, other)]
    box = _around(shot.holes[at])
    tiles = (
        ("before", _cut(shot.plates[at], box)),
        (f"after, {scores[0]:.1f} dB", _cut(ours[0], box)),
        ("truth", _cut(shot.clean[at], box)),
        (f"Telea, {scores[1]:.1f} dB", _cut(other[0], box)),
    )
    return Strip(name, title, tiles, f"{scores[0]:.1f} dB; Telea {scores[1]:.1f} dB.")


def _confidence() -> Strip:
    """How each pixel of the rig shot is known."""
    shot = make("rig", seed=1, drawn=False)
    at = len(shot.plates) // 2
    patch = _patch(shot, at)
    assert patch.known is not None
    ours, known = composited(shot, [patch])[at], np.zeros(shot.holes[at].shape, np.uint8)
    known[patch.box.within(shot.bounds)] = patch.known[0]
    box = _around(shot.holes[at])
    tinted = np.repeat(_cut(ours, box).mean(axis=2, keepdims=True), 3, axis=2)
    for kind, tint in _TINTS.items():
        where = (known[box] == kind) & (shot.holes[at][box] > 0)
        tinted[where] = 0.45 * tinted[where] + 0.55 * np.array(tint, np.float32)
    inside = known[shot.holes[at] > 0]
    seen, carried, invented = (float((inside == kind).mean()) for kind in _TINTS)
    said = f"{seen:.0%} seen (green), {carried:.0%} carried (amber), {invented:.0%} invented (red)."
    tiles = (("before", _cut(shot.plates[at], box)), ("after", _cut(ours, box)), ("how it is known", tinted))
    return Strip("confidence", "How the engine knows its pixels", tiles, said)


def _carry() -> Strip:
    """One painted frame, carried to another under a moving shadow."""
    scene = make_carry("lit", "paint", seed=0)
    painted, at = len(scene.plates) // 2, len(scene.plates) - 4
    shot = scene.shot(painted)
    ours = composited(shot, [_patch(shot, at, operation=Operation.MODIFY)])
    one, inside = slice(at, at + 1), scene.inside[at][None].astype(np.float32)
    score = psnr(ours[one], scene.clean[one], inside)
    there, here = _around(scene.mattes[painted]), _around(scene.mattes[at])
    tiles = (
        (f"painted, frame {painted}", _cut(scene.edited[painted], there)),
        (f"before, frame {at}", _cut(scene.plates[at], here)),
        (f"after, {score:.1f} dB", _cut(ours[at], here)),
        ("truth", _cut(scene.clean[at], here)),
    )
    return Strip("carry", "A painted frame, carried under a moving shadow", tiles, f"{score:.1f} dB.")


def _patch(shot: ArrayShot, at: int, *, operation: Operation = Operation.REMOVE) -> Patch:
    """Of one frame: it does not depend on what else is asked for."""
    window = Window(index=0, frames=(shot.frames[at],), crop=shot.crop, shot=shot)
    with tempfile.TemporaryDirectory() as folder:
        engine, job = TemporalEngine(), job_in(Path(folder), grain="none", operation=operation)
        engine.load(job)
        patch = engine.generate(window, job)
        engine.unload()
    return patch


def _around(hole: Frames) -> tuple[slice, slice]:
    """A piece of the tile's size around the middle of the hole, within the frame."""
    rows, columns = np.nonzero(hole > 0)
    height, width = hole.shape
    wide, high = min(_TILE[0], width), min(_TILE[1], height)
    x = int(np.clip(columns.mean() - wide / 2, 0, width - wide))
    y = int(np.clip(rows.mean() - high / 2, 0, height - high))
    return slice(y, y + high), slice(x, x + wide)


def _cut(pixels: Frames, box: tuple[slice, slice]) -> Picture:
    return display(pixels[box])


def _write(path: Path, strip: Strip) -> None:
    """As good as the size allows."""
    high, wide = strip.tiles[0][1].shape[:2]
    count = len(strip.tiles)
    sheet = np.full((high + _BAND_PX, count * wide + (count - 1) * _GAP_PX, 3), 30, np.uint8)
    for place, (label, picture) in enumerate(strip.tiles):
        left = place * (wide + _GAP_PX)
        sheet[_BAND_PX:, left : left + wide] = np.rint(np.clip(picture, 0, 1) * 255)
        cv2.putText(sheet, label, (left + 3, 13), cv2.FONT_HERSHEY_SIMPLEX, 0.42, (230, 230, 230), 1, cv2.LINE_AA)
    for quality in range(_QUALITY, 30, -5):
        cv2.imwrite(str(path), sheet[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
        if path.stat().st_size <= _MOST_BYTES:
            return


if __name__ == "__main__":
    write_pictures(Path(__file__).resolve().parents[2] / "docs")
