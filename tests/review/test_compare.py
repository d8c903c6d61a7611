"""The comparison against numbers worked out here from the files; the sheet and the wipe are looked at as pictures."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from secondtake.errors import BadInput, MissingFrames
from secondtake_daemon.images.colour import Screen, resolve
from secondtake_daemon.review.compare import Comparison, compare
from secondtake_daemon.review.sides import open_pair
from secondtake_daemon.review.wipe import wiped

sys.path.insert(0, str(Path(__file__).parent))
from takes import DATA_MIN, FRAMES, HEIGHT, WIDTH, Desk, planes_of


def run(desk: Desk, a: str, b: str, out: Path | None = None) -> Comparison:
    sides = [None if name == "plate" else desk.root / name for name in (a, b)]
    return compare(open_pair(*sides), out=out, on_frame=lambda *_: None)


def pixels(desk: Desk, name: str, frame: int) -> np.ndarray:
    path = desk.root / (f"plate/sh.{frame}.exr" if name == "plate" else f"{name}/sh.{name}.{frame}.exr")
    return np.dstack([planes_of(path)[letter] for letter in "RGB"]).astype(np.float32)


def mask(desk: Desk, matte: str, frame: int) -> np.ndarray:
    canvas = np.zeros((HEIGHT, WIDTH), bool)
    drawn = planes_of(desk.root / matte / f"m.{frame}.exr")["Y"] > 0
    canvas[-DATA_MIN[1] : -DATA_MIN[1] + drawn.shape[0], -DATA_MIN[0] : -DATA_MIN[0] + drawn.shape[1]] = drawn
    return canvas


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    desk = Desk(tmp_path)
    desk.fix("taaaaaa", instruction="red")
    return desk


def test_numbers_are_those_of_the_files(desk: Desk) -> None:
    second = desk.write_matte("second", soft=0.5, left=16)
    desk.fix("tbbbbbb", matte=second, instruction="blue", seed=7)
    desk.on("taaaaaa", "tcccccc", second)
    screen = Screen(resolve("ACEScg"))
    for a, b, mattes in (
        ("taaaaaa", "tbbbbbb", ("matte", "second")),
        ("taaaaaa", "tcccccc", ("second",)),
        ("tcccccc", "taaaaaa", ("second",)),
        ("tcccccc", "plate", ("matte", "second")),
        ("plate", "tbbbbbb", ("second",)),
        ("tbbbbbb", "tcccccc", ("matte", "second")),
    ):
        found = run(desk, a, b)
        assert [one.frame for one in found.frames] == list(FRAMES)
        for one in found.frames:
            first, other = (pixels(desk, name, one.frame) for name in (a, b))
            union = np.logical_or.reduce([mask(desk, matte, one.frame) for matte in mattes])
            apart = np.abs(first.astype(np.float64) - other)
            assert one.differing == np.count_nonzero(apart) > 0
            assert one.outside == 0
            assert one.maximum == apart[union].max()
            assert one.mean == pytest.approx(apart[union].mean())
            codes = screen.show(first).astype(float)[union] - screen.show(other)[union]
            assert one.psnr_db == pytest.approx(10 * np.log10(255**2 / np.mean(codes**2)), abs=0.01)
        assert found.differing == FRAMES
        assert found.worst == max(found.frames, key=lambda one: one.mean).frame


def test_a_take_and_itself_are_the_same(desk: Desk) -> None:
    found = run(desk, "taaaaaa", "taaaaaa")
    assert (found.differing, found.worst) == ((), None)
    assert {(one.differing, one.maximum, one.mean, one.psnr_db) for one in found.frames} == {(0, 0.0, 0.0, None)}


def test_takes_of_two_plates_differ_outside(desk: Desk) -> None:
    desk.fix("tbbbbbb", plate=desk.write_plate("again", WIDTH, HEIGHT, seed=1))
    assert all(one.outside > WIDTH * HEIGHT for one in run(desk, "taaaaaa", "tbbbbbb").frames)


def test_sheet_and_wipe_show_what_there_is(desk: Desk) -> None:
    out = desk.root / "new" / "review"
    found = run(desk, "taaaaaa", "plate", out)
    assert {path.name for path in out.iterdir()} == {Path(found.sheet).name, Path(found.wipe).name}
    a, b = (Screen(resolve("ACEScg")).show(pixels(desk, name, 1001)) for name in ("taaaaaa", "plate"))
    sheet = cv2.imread(found.sheet)[..., ::-1]
    times = 5
    for at, wanted in enumerate((a, b, (np.abs(a.astype(int) - b) * 4).clip(0, 255))):
        left = 8 + at * (WIDTH * times + 8)
        assert np.array_equal(sheet[34 : 34 + HEIGHT * times : times, left : left + WIDTH * times : times], wanted)
    with av.open(found.wipe) as container:
        assert container.streams.video[0].codec_context.name in ("h264", "mpeg4")
        film = [frame.to_ndarray(format="rgb24").astype(int) for frame in container.decode(video=0)]
    assert len(film) == len(FRAMES)
    last = [Screen(resolve("ACEScg")).show(pixels(desk, name, 1003)) for name in ("plate", "taaaaaa")]
    for shown, there, not_there in ((film[0], b, a), (film[-1], last[1], last[0])):
        hues = [one[mask(desk, "matte", 1001)].mean(axis=0) for one in (shown, there, not_there)]  # the plate is noise
        near, far = (np.abs(hues[0] - one).max() for one in hues[1:])
        assert near < far / 4, "it begins with B and ends with A"


def test_the_line_crosses_once() -> None:
    a, b = np.full((4, 40, 3), 10, np.uint8), np.full((4, 40, 3), 20, np.uint8)
    shares = [(wiped(a, b, done=done, frames=5)[0, :, 0] == 10).sum() for done in range(5)]
    assert shares == [0, 9, 19, 29, 40]
    assert (wiped(a, b, done=2, frames=5)[:, 21:] == 20).all()
    assert (wiped(a, b, done=0, frames=1)[0, :, 0] == 10).sum() == 19


def test_what_cannot_be_compared_is_refused(desk: Desk) -> None:
    desk.fix("tother1", shot="other")
    desk.fix("tlarger", plate=desk.write_plate("larger", WIDTH + 8, HEIGHT), matte=str(square(desk)))
    desk.fix("tfirst1", frames="1001")
    desk.fix("tlast11", frames="1003")
    with pytest.raises(BadInput, match="is of shot sh, take tother1 of other"):
        run(desk, "taaaaaa", "tother1")
    with pytest.raises(BadInput, match=r"Frame 1001 of taaaaaa has not the windows .*48 × 32 and 56 × 32"):
        run(desk, "taaaaaa", "tlarger", desk.root / "new")
    assert not (desk.root / "new").exists()
    with pytest.raises(MissingFrames, match="no frame in common"):
        run(desk, "tfirst1", "tlast11")
    with pytest.raises(BadInput, match="with itself"):
        run(desk, "plate", "plate")
    assert [one.frame for one in run(desk, "tfirst1", "taaaaaa").frames] == [1001]
    frame = desk.root / "plate" / "sh.1002.exr"
    frame.write_bytes(frame.read_bytes() + b"x")
    with pytest.raises(BadInput, match="Frame 1002 of the plate is not the file"):
        run(desk, "taaaaaa", "plate")


def square(desk: Desk) -> Path:
    path = desk.root / "shapes.json"
    path.write_text(
        '{"version": 1, "size": [48, 28], "shapes": [{"kind": "polygon", "keys": ['
        '{"frame": 1001, "points": [[7, 5], [20, 5], [20, 14], [7, 14]]}]}]}'
    )
    return path


def test_interrupted_it_leaves_nothing(desk: Desk) -> None:
    def interrupted_at(phase: str, step: int) -> Callable[[str, int, int, int], None]:
        def interrupt(what: str, done: int, total: int, frame: int) -> None:
            if (what, done) == (phase, step):
                raise KeyboardInterrupt

        return interrupt

    out = desk.root / "new" / "review"
    pair = open_pair(desk.root / "taaaaaa", None)
    for at, left in ((("compare", 2), None), (("sheet", 1), ["sh.taaaaaa-plate.wipe.mp4"])):
        with pytest.raises(KeyboardInterrupt):
            compare(pair, out=out, on_frame=interrupted_at(*at))
        there = [path.name for path in out.iterdir()] if out.exists() else None
        assert there == left
    assert run(desk, "taaaaaa", "plate", out).sheet
