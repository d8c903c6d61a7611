"""Job ids: the same content is the same job; whatever changes makes another, in another folder."""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from secondtake.errors import BadInput
from secondtake.frames import FrameRange
from secondtake.messages import ControlKind, Operation, Quality, Reference
from secondtake_daemon.edits.attempts import Attempts
from secondtake_daemon.edits.edit import EditShot
from secondtake_daemon.edits.orders import Order, order_for

sys.path.insert(0, str(Path(__file__).parents[1] / "pipeline"))
from exr_shots import Layout, write_shot


@pytest.fixture
def shot(tmp_path: Path) -> EditShot:
    plate, matte = write_shot(tmp_path, Layout(), [1, 2, 3])
    return EditShot(name="a", plate=plate, matte=matte)


def order(shot: EditShot, tmp_path: Path, *, ocio: str = "") -> Order:
    return order_for(shot, out=tmp_path / "out", ocio=ocio)


def test_the_same_shot_is_the_same_job(shot: EditShot, tmp_path: Path) -> None:
    first, again = order(shot, tmp_path), order(shot, tmp_path)
    assert first.request(0) == again.request(0)
    assert re.fullmatch("[0-9a-f]{32}", first.request(0).job)
    assert first.request(1).job != first.request(0).job
    assert first.request(1).out == first.request(0).out
    assert Path(first.request(0).out).parent == tmp_path / "out" / "a"


@pytest.mark.parametrize(
    "change",
    [
        {"name": "b"},
        {"instruction": "else"},
        {"operation": Operation.MODIFY},
        {"references": (Reference(path="/r.png"),)},
        {"frames": FrameRange(1, 2)},
        {"engine": "standin"},
        {"engine_options": {"a": "b"}},
        {"seed": 1},
        {"quality": Quality.DRAFT},
        {"grow_px": 1},
        {"feather_px": 1},
        {"colourspace": "ACEScg"},
        {"matte_channel": "A"},
        {"motion": "/v.####.exr"},
        {"aovs": ("confidence",)},
        {"control": "/d.####.exr"},
        {"control_kind": ControlKind.SCRIBBLE},
        {"operation": Operation.EXTEND, "extend": (2,)},
        {"size": (64, 48)},
        {"fps": 25.0},
    ],
)
def test_whatever_changes_makes_another_job_elsewhere(
    shot: EditShot, tmp_path: Path, change: dict[str, object]
) -> None:
    before, after = order(shot, tmp_path), order(replace(shot, **change), tmp_path)  # type: ignore[arg-type]
    assert before.request(0).job != after.request(0).job
    assert before.folder != after.folder


def _repaint(root: Path) -> None:
    (root / "matte" / "m.0002.exr").write_bytes(b"else")


def _touch_plate(root: Path) -> None:
    os.utime(root / "plate" / "sh.0003.exr", ns=(1, 1))


def _lose(root: Path) -> None:
    (root / "plate" / "sh.0002.exr").unlink()


@pytest.mark.parametrize("change", [_repaint, _touch_plate, _lose])
def test_files_that_change_make_another_job(shot: EditShot, tmp_path: Path, change: Callable[[Path], None]) -> None:
    before = order(shot, tmp_path)
    change(tmp_path)
    assert order(shot, tmp_path).request(0).job != before.request(0).job


def test_files_outside_the_frames_do_not_count(shot: EditShot, tmp_path: Path) -> None:
    shot = replace(shot, frames=FrameRange(1, 2))
    before = order(shot, tmp_path)
    _touch_plate(tmp_path)
    assert order(shot, tmp_path) == before


@pytest.mark.parametrize(
    ("by", "frames", "wanted"),
    [((2,), None, "1-5"), ((-1, 3), None, "0-6"), ((4,), FrameRange(2, 3), "2-7"), ((), FrameRange(1, 9), "1-9")],
)
def test_frames_of_an_extension(
    shot: EditShot, tmp_path: Path, by: tuple[int, ...], frames: FrameRange | None, wanted: str
) -> None:
    longer = replace(shot, matte="", operation=Operation.EXTEND, extend=by, frames=frames)
    assert order(longer, tmp_path).request(0).frames == wanted


def test_an_extension_of_nothing_is_left_to_the_daemon(shot: EditShot, tmp_path: Path) -> None:
    gone = replace(shot, plate=str(tmp_path / "gone.####.exr"), matte="", operation=Operation.EXTEND, extend=(2,))
    assert order(gone, tmp_path).request(0).frames == ""


def test_frames_to_follow_that_change_make_another_job(shot: EditShot, tmp_path: Path) -> None:
    following = replace(shot, control=shot.matte.replace("matte/m", "depth/d"), control_kind=ControlKind.DEPTH)
    shutil.copytree(tmp_path / "matte", tmp_path / "depth")
    for path in (tmp_path / "depth").iterdir():
        path.rename(path.with_name(path.name.replace("m.", "d.")))
    before = order(following, tmp_path)
    (tmp_path / "depth" / "d.0002.exr").write_bytes(b"else")
    assert order(following, tmp_path).request(0).job != before.request(0).job


def test_what_does_not_change_the_take_does_not_count(shot: EditShot, tmp_path: Path) -> None:
    assert order(replace(shot, gap_frames=5), tmp_path).key == order(shot, tmp_path).key


def test_attempts_are_remembered(tmp_path: Path) -> None:
    file = tmp_path / "out" / "edit.run.json"
    attempts = Attempts(file)
    assert attempts.of("k") == 0
    attempts.raise_to("k", 2)
    assert (Attempts(file).of("k"), Attempts(file).of("other")) == (2, 0)
    assert [path.name for path in file.parent.iterdir()] == ["edit.run.json"], "no part file stays"


def test_foreign_notes_are_refused(tmp_path: Path) -> None:
    (tmp_path / "edit.run.json").write_text('{"attempts": {"k": "many"}}')
    with pytest.raises(BadInput, match="own notes"):
        Attempts(tmp_path / "edit.run.json")
