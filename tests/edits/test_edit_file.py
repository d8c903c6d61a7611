"""Edit files: what they mean, and what is wrong with them, in one sentence."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest

from secondtake.errors import BadInput
from secondtake.frames import FrameRange
from secondtake.messages import ControlKind, Operation, Quality, Reference
from secondtake_daemon.edits.edit import parse_rate
from secondtake_daemon.edits.edit_file import load_edit

WHOLE = """
name = "reel 1"
fps = 29.97
out = "made"
colorspace = "ACEScg"
sound = "temp.wav"

[references]
hero = "refs/hero.exr"
paint = { path = "refs/paint.png", frame = 12, colorspace = "srgb_tx" }

[[shot]]
name = "sh010"
plate = "plates/sh010.####.exr"
matte = "roto/sh010.####.exr"
instruction = "a red coat"
references = ["hero", "hero@1003", "paint", "other.png@7", { path = "x.exr", frame = 1 }]
frames = "1001-1048"
engine = "standin"
engine_options = { frame_s = 0.5, load_fails = false, mode = "noise" }
quality = "draft"
seed = 7
grow = -2
feather = 3
aovs = ["confidence"]

[[shot]]
name = "sh020"
plate = "/abs/sh020.mov"
frames = 12
colorspace = "ACEScct"
"""
SHOT = '[[shot]]\nname = "a"\nplate = "p.####.exr"\nmatte = "m.exr"\n'
PLAIN = '[[shot]]\nname = "a"\nplate = "p.####.exr"\n'
NEW = '[[shot]]\nname = "a"\noperation = "generate"\nframes = "1-24"\nsize = "832x480"\n'


def write(folder: Path, text: str) -> Path:
    path = folder / "edit.toml"
    path.write_text(text)
    return path


def test_everything_an_edit_may_say(tmp_path: Path) -> None:
    (tmp_path / "temp.wav").touch()
    edit = load_edit(write(tmp_path, WHOLE))
    first, second = edit.shots
    assert (edit.name, edit.rate, edit.out, edit.sound) == (
        "reel 1",
        Fraction(30000, 1001),
        tmp_path / "made",
        tmp_path / "temp.wav",
    )
    assert first.plate == str(tmp_path / "plates" / "sh010.####.exr"), "paths count from the file's folder"
    assert first.references == (
        Reference(path=str(tmp_path / "refs/hero.exr")),
        Reference(path=str(tmp_path / "refs/hero.exr"), frame=1003),
        Reference(path=str(tmp_path / "refs/paint.png"), frame=12, colourspace="srgb_tx"),
        Reference(path=str(tmp_path / "other.png"), frame=7),
        Reference(path=str(tmp_path / "x.exr"), frame=1),
    )
    assert first.frames == FrameRange(1001, 1048)
    assert first.engine_options == {"frame_s": "0.5", "load_fails": "false", "mode": "noise"}
    assert (first.operation, first.quality, first.seed) == (Operation.MODIFY, Quality.DRAFT, 7)
    assert (first.grow_px, first.feather_px, first.aovs, first.colourspace) == (-2, 3, ("confidence",), "ACEScg")
    assert (second.plate, second.frames, second.colourspace) == ("/abs/sh020.mov", FrameRange(12, 12), "ACEScct")
    assert first.is_fix
    assert not second.is_fix


def test_little_is_enough(tmp_path: Path) -> None:
    edit = load_edit(write(tmp_path, SHOT))
    assert (edit.name, edit.rate, edit.out, edit.sound) == ("edit", 24, tmp_path / "takes", None)
    assert edit.shots[0].operation is Operation.REMOVE
    assert load_edit(tmp_path / "edit.toml", out=tmp_path / "else").out == tmp_path / "else"


def test_whole_frames_need_no_matte(tmp_path: Path) -> None:
    said = {
        "b": 'plate = "p.####.exr"\noperation = "restyle"\ncontrol = "depth/d.####.exr"\ncontrol_kind = "depth"\n'
        'references = ["look.png"]\nengine_options = { grain = "none" }\n',
        "c": 'plate = "p.####.exr"\nextend = [-12, 24]\n',
        "d": 'plate = "p.####.exr"\noperation = "extend"\nframes = "1001-1060"\nextend = 5\n',
        "e": 'operation = "generate"\nframes = "1-24"\nsize = "832x480"\n',
        "f": 'operation = "generate"\nframes = "1-24"\nsize = "64×48"\nfps = 12.5\n',
    }
    tables = "".join(f'[[shot]]\nname = "{name}"\n{more}' for name, more in said.items())
    restyled, longer, from_here, new, slow = load_edit(write(tmp_path, "fps = 29.97\n" + tables)).shots
    assert all(shot.is_fix for shot in (restyled, longer, from_here, new, slow))
    assert (restyled.control, restyled.control_kind) == (str(tmp_path / "depth/d.####.exr"), ControlKind.DEPTH)
    assert restyled.references == (Reference(path=str(tmp_path / "look.png")),)
    assert (longer.operation, longer.extend, longer.frames) == (Operation.EXTEND, (-12, 24), None)
    assert (from_here.operation, from_here.extend) == (Operation.EXTEND, (5,))
    assert (new.plate, new.size, new.frames) == ("", (832, 480), FrameRange(1, 24))
    assert new.fps == pytest.approx(29.97, abs=1e-3), "as the edit plays"
    assert (slow.size, slow.fps) == ((64, 48), 12.5)


@pytest.mark.parametrize(
    ("text", "says", "remedy"),
    [
        ("", "it has no shots", "[[shot]]"),
        ("shot = []", "has no shots", "docs/edit.md"),
        ("fps = [1]\n" + SHOT, "'fps' is a list, not a whole number or a number or text", "Correct"),
        ("fps = 0\n" + SHOT, "'0' is no frame rate", "24"),
        ("fps = nan\n" + SHOT, "no frame rate", "24"),
        ('fps = "fast"\n' + SHOT, "'fast' is no frame rate", "24"),
        ("frames_per_second = 24\n" + SHOT, "there is no key 'frames_per_second'", "fps"),
        ('name = "a/b"\n' + SHOT, "'a/b' cannot be its name", "name"),
        ('sound = "gone.wav"\n' + SHOT, "There is no such sound file", "sound"),
        (SHOT + "seed = 'x'\n", "Shot 'a' (line 1): 'seed' is text, not a whole number", "Correct"),
        ("\n\n" + SHOT + "colour = 1\n", "Shot 'a' (line 3): there is no key 'colour'", "colorspace"),
        (SHOT + "feather = -1\n", "Shot 'a' (line 1): 'feather' cannot be used", "Correct"),
        (SHOT + 'operation = "explode"\n', "'explode'", "Correct"),
        (SHOT + 'frames = "1-3,9"\n', "not one range", "1001-1048"),
        (SHOT + 'frames = "9-1"\n', "runs backwards", "lower"),
        (SHOT + 'references = ["hero"]\n', "there is no reference 'hero'", "none"),
        (SHOT + "references = 'hero'\n", "'references' is text, not a list", "Correct"),
        (SHOT + "seed = 99999999999999999999\n", "'seed' cannot be used", "Correct"),
        (SHOT + 'motion = "a\\u0000b"\n', "is no path", "characters"),
        ('fps = "1e999999999"\n' + SHOT, "no frame rate", "24"),
        (SHOT + SHOT, "2 shots are called 'a'", "own"),
        ('[[shot]]\nplate = "p.exr"\n', "Shot 1 (line 1): the key 'name' is missing", "Add"),
        ('[[shot]]\nname = "a"\n', "Shot 'a' (line 1): the key 'plate' is missing", "Add"),
        ('[[shot]]\nname = "a/b"\nplate = "p"\n', "'a/b' cannot be a shot's name", "letters"),
        ('[[shot]]\nname = "a"\nplate = "p"\noperation = "remove"\n', "it has 'operation' but no matte", "matte"),
        ('[[shot]]\nname = "a"\nplate = "p"\ninstruction = "go"\n', "it has 'instruction' but no matte", "matte"),
        ('[[shot]]\nname = "a"\nplate = 7\n', "'plate' is a whole number, not text", "Correct"),
        ('[[shot]]\nname = "a"\nplate = ""\n', "its plate is empty", "sh010"),
        (NEW.replace("frames", "# frames"), "does not say which frames to generate", "1001-1048"),
        (NEW.replace("size", "# size"), "does not say how large its frames are", "832x480"),
        (NEW.replace("832x480", "large"), "'large' is no size", "832x480"),
        (NEW + 'plate = "p.####.exr"\n', "it has a plate, and generates a shot without one", "restyle or extend"),
        (NEW + 'matte = "m.exr"\n', "it has a matte, and to generate makes whole frames", "Leave out matte"),
        (NEW + "extend = 5\n", "it has 'extend' and is to generate", "one of them"),
        (SHOT + 'size = "832x480"\n', "it has 'size', which the plate says", "generate"),
        (SHOT + "fps = 25\n", "it has 'fps', which the plate says", "generate"),
        (SHOT + "extend = 5\n", "it has a matte, and to extend makes whole frames", "Leave out matte"),
        (PLAIN + 'operation = "extend"\n', "does not say by how much it is extended", "[-12, 24]"),
        (PLAIN + "extend = [12, 0]\n", "it is extended by no frame", "-12"),
        (PLAIN + "extend = 1.5\n", "'extend' is a number, not a whole number or a list", "Correct"),
        (PLAIN + 'operation = "replace"\nextend = 5\n', "it has 'extend' and is to replace", "one of them"),
        (PLAIN + 'control_kind = "lines"\n', "'control_kind' cannot be used", "Correct"),
        (PLAIN + 'control = "d.####.exr"\n', "it has 'control' but no matte", "matte"),
        ("[[shot]\n", "no TOML", "line"),
        ('[[shot]]\nname = "a\n', "line 2", "line"),
    ],
)
def test_one_clear_sentence(tmp_path: Path, text: str, says: str, remedy: str) -> None:
    path = write(tmp_path, text)
    with pytest.raises(BadInput) as raised:
        load_edit(path)
    assert says in raised.value.message
    assert remedy in raised.value.remedy
    assert raised.value.path.startswith(str(tmp_path))
    assert "\n" not in str(raised.value)
    assert "`" not in raised.value.message


def test_a_home_that_nobody_has_is_a_name_like_any_other(tmp_path: Path) -> None:
    shot = load_edit(write(tmp_path, SHOT + 'motion = "~nobody-at-all/v.####.exr"\n')).shots[0]
    assert shot.motion == str(tmp_path / "~nobody-at-all" / "v.####.exr")


def test_not_a_file_and_not_text(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="cannot be read"):
        load_edit(tmp_path / "gone.toml")
    (tmp_path / "edit.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(BadInput, match="not UTF-8"):
        load_edit(tmp_path / "edit.toml")


def test_a_shot_inside_a_long_text_does_not_shift_the_lines(tmp_path: Path) -> None:
    text = SHOT + 'instruction = """\n[[shot]]\n"""\nseed = "x"\n'
    with pytest.raises(BadInput, match=r"^Shot 'a': 'seed'"):
        load_edit(write(tmp_path, text))


@pytest.mark.parametrize(
    ("value", "rate"),
    [
        (24, Fraction(24)),
        (23.976, Fraction(24000, 1001)),
        (23.98, Fraction(24000, 1001)),
        (59.94, Fraction(60000, 1001)),
        ("24000/1001", Fraction(24000, 1001)),
        (24.0, Fraction(24)),
        (12.5, Fraction(25, 2)),
    ],
)
def test_rates(value: float | str, rate: Fraction) -> None:
    assert parse_rate(value, path="") == rate
