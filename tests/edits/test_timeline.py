"""Timelines: written for editors, read back from them. OpenTimelineIO itself is the judge."""

from __future__ import annotations

import sys
import wave
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import OpenEXR
import opentimelineio as otio
import pytest
from opentimelineio.opentime import RationalTime, TimeRange

from secondtake.errors import BadInput
from secondtake.frames import FrameRange
from secondtake.messages import ControlKind, FixResult, Operation, Proof, Quality, Reference
from secondtake_daemon.edits.cuts import Cut, black, plate_cut
from secondtake_daemon.edits.edit import Edit, EditShot
from secondtake_daemon.edits.edit_file import load_edit
from secondtake_daemon.edits.timeline_out import write_timeline

PROOF = Proof(outside_changed=0, outside_samples=1, inside_samples=1)


def frames_of(folder: Path, prefix: str, numbers: range) -> list[Path]:
    folder.mkdir(exist_ok=True)
    planes = {name: np.zeros((4, 6), np.float16) for name in "RGB"}
    paths = [folder / f"{prefix}{number:04d}.exr" for number in numbers]
    for path in paths:
        OpenEXR.File({"type": OpenEXR.scanlineimage}, planes).write(str(path))
    return paths


def made(root: Path) -> Cut:
    """A take of frames 1001-1004, as the daemon leaves it."""
    frames_of(root, "p #1.", range(1001, 1006))
    files = frames_of(root / "a take", "sh010.t1234.", range(1001, 1005))
    take = FixResult(
        take="t1234", shot="sh010", frames=(1001, 1002, 1003, 1004), files=tuple(map(str, files)),
        manifest=str(root / "a take" / "take.json"), engine="standin", seconds=1, proof=PROOF,
    )  # fmt: skip
    shot = EditShot(
        name="sh010", plate=str(root / "p #1.%04d.exr"), matte=str(root / "m.exr"), operation=Operation.MODIFY,
        instruction="a red coat", references=(Reference(path=str(root / "r.png"), frame=1002, colourspace="srgb_tx"),),
        frames=FrameRange(1001, 1004), engine="standin", engine_options={"mode": "noise"}, quality=Quality.DRAFT,
        seed=3, grow_px=1, feather_px=2,
    )  # fmt: skip
    return Cut(shot=shot, frames=take.frames, files=tuple(files), take=take)


def edit_of(root: Path, cuts: list[Cut], *, lists_frames: bool = False) -> Edit:
    return Edit(
        name="reel", file=root / "reel.toml", rate=Fraction(24000, 1001), out=root / "out",
        shots=tuple(cut.shot for cut in cuts), lists_frames=lists_frames,
    )  # fmt: skip


def written(root: Path, cuts: list[Cut], **more: Any) -> Path:  # noqa: ANN401
    path = root / "reel.otio"
    write_timeline(edit_of(root, cuts, **more), tuple(cuts), path)
    return path


def test_a_take_is_an_image_sequence_that_is_there(tmp_path: Path) -> None:
    timeline = otio.adapters.read_from_file(str(written(tmp_path, [made(tmp_path)])))
    (clip,) = timeline.video_tracks()[0]
    media = clip.media_reference
    assert (clip.name, timeline.name) == ("sh010", "reel")
    assert isinstance(media, otio.schema.ImageSequenceReference)
    assert (media.start_frame, media.end_frame(), media.frame_zero_padding, media.rate) == (1001, 1004, 4, 24000 / 1001)
    for number in range(media.number_of_images_in_sequence()):
        assert Path(otio.url_utils.filepath_from_url(media.target_url_for_image_number(number))).is_file()
    assert media.frame_for_time(clip.source_range.start_time) == 1001
    assert clip.source_range.duration == RationalTime(4, 24000 / 1001)
    noted = clip.metadata["secondtake"]
    assert (noted["take"], noted["instruction"]) == ("t1234", "a red coat")
    assert timeline.audio_tracks() == []


def test_a_take_with_a_sound_of_its_own(tmp_path: Path) -> None:
    with wave.open(str(tmp_path / "s.wav"), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(48_000)
        file.writeframes(b"\0" * 16_000)
    cut = replace(made(tmp_path), sound=tmp_path / "s.wav")
    timeline = otio.adapters.read_from_file(str(written(tmp_path, [cut])))
    (clip,) = timeline.audio_tracks()[0]
    assert clip.media_reference.target_url == (tmp_path / "s.wav").as_uri()
    assert [clip.source_range.start_time.value, clip.source_range.duration.value] == [0, 4]


NEW_SHOTS: dict[str, dict[str, Any]] = {
    "generate": {"plate": "", "size": (64, 48), "fps": 12.5, "frames": FrameRange(1001, 1004)},
    "extend": {"extend": (-1, 2)},
    "restyle": {"control": "/d.####.exr", "control_kind": ControlKind.DEPTH, "references": (Reference(path="/l.exr"),)},
}


@pytest.mark.parametrize("operation", NEW_SHOTS)
def test_whole_frames_there_and_back(tmp_path: Path, operation: str) -> None:
    cut = made(tmp_path)
    plain: dict[str, Any] = {"matte": "", "references": (), "grow_px": 0, "feather_px": 0, "frames": None}
    wishes = {**plain, "operation": Operation(operation), **NEW_SHOTS[operation]}
    cut = replace(cut, shot=replace(cut.shot, **wishes))
    assert load_edit(written(tmp_path, [cut])).shots == (cut.shot,)


def test_of_an_extension_that_was_cut_shorter_its_frames_say_how_long(tmp_path: Path) -> None:
    cut = made(tmp_path)
    longer = replace(cut.shot, matte="", operation=Operation.EXTEND, extend=(2,), frames=None)
    path = written(tmp_path, [replace(cut, shot=longer)])
    timeline = otio.adapters.read_from_file(str(path))
    clip = timeline.video_tracks()[0][0]
    clip.source_range = TimeRange(clip.source_range.start_time, RationalTime(3, 24000 / 1001))
    otio.adapters.write_to_file(timeline, str(tmp_path / "cut.otio"))
    (again,) = load_edit(tmp_path / "cut.otio").shots
    assert (again.operation, again.frames, again.extend) == (Operation.EXTEND, FrameRange(1001, 1003), ())


def test_gaps_and_plates(tmp_path: Path) -> None:
    frames_of(tmp_path / "b", "q#%.", range(5, 9))
    plate = plate_cut(EditShot(name="b", plate=str(tmp_path / "b" / "q#%.####.exr"), gap_frames=3))
    gone = black(EditShot(name="c", plate="/gone.####.exr", frames=FrameRange(1, 2)))
    timeline = otio.adapters.read_from_file(str(written(tmp_path, [plate, gone])))
    gap, clip, lost = timeline.video_tracks()[0]
    assert [type(item).__name__ for item in (gap, clip, lost)] == ["Gap", "Clip", "Gap"]
    assert [item.duration().to_frames() for item in (gap, clip, lost)] == [3, 4, 2]
    first = clip.media_reference.target_url_for_image_number(0)
    assert Path(otio.url_utils.filepath_from_url(first)) == tmp_path / "b" / "q#%.0005.exr"


def test_there_and_back_it_is_the_same_edit(tmp_path: Path) -> None:
    cut = made(tmp_path)
    for lists_frames in (False, True):
        path = written(tmp_path, [cut], lists_frames=lists_frames)
        again = load_edit(path)
        assert again.shots == (cut.shot,), "a timeline of takes goes back to the plates"
        assert (again.name, again.rate, again.out) == ("reel", Fraction(24000, 1001), tmp_path / "out")
        assert again.lists_frames == lists_frames


def test_listed_frames_for_programs_without_image_sequences(tmp_path: Path) -> None:
    timeline = otio.adapters.read_from_file(str(written(tmp_path, [made(tmp_path)], lists_frames=True)))
    (clip,) = timeline.video_tracks()[0]
    assert clip.media_reference.target_url == str(tmp_path / "a take" / "sh010.t1234.[1001-1004].exr")


def clip_of(media: Any, first: float, frames: float, *, name: str = "a", rate: float = 24) -> Any:  # noqa: ANN401
    source = TimeRange(RationalTime(first, rate), RationalTime(frames, rate))
    return otio.schema.Clip(name, media_reference=media, source_range=source)


def sequence(base: str, *, first: int = 1001, start: float | None = 1001, count: int = 48, **more: Any) -> Any:  # noqa: ANN401
    available = TimeRange(RationalTime(start, 24), RationalTime(count, 24)) if start is not None else None
    return otio.schema.ImageSequenceReference(
        target_url_base=base, name_prefix="p%20x.", name_suffix=".exr", start_frame=first, rate=24,
        frame_zero_padding=4, available_range=available, **more,
    )  # fmt: skip


def movie(name: str, *, start: float | None = 0, rate: float = 24) -> Any:  # noqa: ANN401
    available = TimeRange(RationalTime(start, rate), RationalTime(100, rate)) if start is not None else None
    return otio.schema.ExternalReference(target_url=name, available_range=available)


def save(root: Path, items: list[Any], *, change: Callable[[Any], None] | None = None) -> Path:
    timeline = otio.schema.Timeline("another name")
    track = otio.schema.Track("V1", kind=otio.schema.TrackKind.Video)
    timeline.tracks.append(track)
    track.extend(items)
    if change:
        change(timeline)
    otio.adapters.write_to_file(timeline, str(root / "cut.otio"))
    return root / "cut.otio"


def test_source_ranges_are_respected(tmp_path: Path) -> None:
    frames_of(tmp_path, "listed.", range(7, 10))
    plain = tmp_path / "listed.%04d.exr"
    base = tmp_path.as_uri() + "/"
    path = save(
        tmp_path,
        [
            clip_of(sequence(base), 1011, 10, name="times are frame numbers"),
            clip_of(sequence(base, start=86400), 86405, 10, name="times are timecode"),
            clip_of(sequence("plates/", start=None), 5, 10, name="times begin at 0"),
            clip_of(movie(str(tmp_path / "m.mov")), 24, 10, name="movie"),
            clip_of(movie("m.mov", start=3600 * 25, rate=25), 3600 * 25 + 50, 50, name="movie at 25", rate=25),
            clip_of(movie("sh.[0101-0200].exr", start=101), 110, 5, name="listed"),
            clip_of(movie(str(plain), start=None), 0, 2, name="pattern"),
        ],
    )
    shots = {shot.name: shot for shot in load_edit(path).shots}
    assert {name: str(shot.frames) for name, shot in shots.items()} == {
        "times are frame numbers": "1011-1020",
        "times are timecode": "1006-1015",
        "times begin at 0": "1006-1015",
        "movie": "25-34",
        "movie at 25": "51-98",  # two seconds at the edit's 24
        "listed": "110-114",
        "pattern": "7-8",
    }
    assert shots["times are frame numbers"].plate == str(tmp_path / "p x.%04d.exr")
    assert shots["movie at 25"].plate == str(tmp_path / "m.mov"), "relative to the timeline"
    assert shots["listed"].plate == str(tmp_path / "sh.%04d.exr")
    assert not any(shot.is_fix for shot in shots.values())


def test_wishes_come_from_metadata_or_a_marker(tmp_path: Path) -> None:
    base = tmp_path.as_uri() + "/"
    clips = [clip_of(sequence(base), 1001, 4, name=name) for name in ("one", "two", "three", "four")]
    clips[0].metadata["secondtake"] = {"matte": "m.json", "instruction": "go", "take": "t1", "references": ["r.png@7"]}
    marker = otio.schema.Marker("secondtake")
    marker.metadata["secondtake"] = {"matte": "m.json", "seed": 5, "engine_options": {"grain": "match"}}
    clips[1].markers.append(marker)
    clips[2].markers.append(otio.schema.Marker("secondtake", comment='matte = "m.json"\noperation = "restyle"'))
    clips[3].markers.append(otio.schema.Marker("look here"))
    one, two, three, four = load_edit(save(tmp_path, clips)).shots
    assert (one.matte, one.instruction, one.operation) == (str(tmp_path / "m.json"), "go", Operation.MODIFY)
    assert one.references == (Reference(path=str(tmp_path / "r.png"), frame=7),)
    assert (two.seed, two.engine_options, two.operation) == (5, {"grain": "match"}, Operation.REMOVE)
    assert three.operation is Operation.RESTYLE
    assert not four.is_fix


def test_what_is_between_clips(tmp_path: Path) -> None:
    media = sequence(tmp_path.as_uri() + "/")
    gap = otio.schema.Gap(source_range=TimeRange(RationalTime(0, 24), RationalTime(6, 24)))
    off = clip_of(media, 1001, 4, name="off")
    off.enabled = False
    transition = otio.schema.Transition(in_offset=RationalTime(1, 24), out_offset=RationalTime(1, 24))
    items = [clip_of(media, 1001, 4), gap, off, clip_of(media, 1010, 4), transition, clip_of(media, 1020, 4)]
    sound = otio.schema.Track("A1", kind=otio.schema.TrackKind.Audio)
    edit = load_edit(save(tmp_path, items, change=lambda timeline: timeline.tracks.append(sound)))
    assert edit.name == "cut", "as the file is called"
    assert [shot.name for shot in edit.shots] == ["a", "a-2", "a-3"], "the parts of a clip that was cut"
    assert [shot.gap_frames for shot in edit.shots] == [0, 10, 0]
    assert [note.split()[:3] for note in edit.notes] == [["A", "transition", "was"], ["The", "timeline's", "sound"]]


@pytest.mark.parametrize(
    ("item", "says"),
    [
        (otio.schema.Stack("inner"), "a nested sequence, 'inner'"),
        (clip_of(None, 0, 4), "Clip 'a': it has no media"),
        (clip_of(sequence("/", frame_step=2), 1001, 4), "every 2. frame"),
    ],
)
def test_what_cannot_be_a_shot(tmp_path: Path, item: Any, says: str) -> None:  # noqa: ANN401
    with pytest.raises(BadInput) as raised:
        load_edit(save(tmp_path, [item]))
    assert says in raised.value.message
    assert raised.value.path == str(tmp_path / "cut.otio")
    assert raised.value.remedy


@pytest.mark.parametrize(
    ("wishes", "says"),
    [
        ({"colour": "red"}, "Clip 'a': there is no key 'colour'"),
        ({"matte": 3}, "'matte' is a whole number, not text"),
        ({"instruction": "go"}, "no matte"),
        ("go", "is no table"),
        (None, "is no table"),
    ],
)
def test_wishes_that_are_wrong(tmp_path: Path, wishes: Any, says: str) -> None:  # noqa: ANN401
    clip = clip_of(sequence("/"), 1001, 4)
    clip.metadata["secondtake"] = wishes
    with pytest.raises(BadInput) as raised:
        load_edit(save(tmp_path, [clip]))
    assert says in raised.value.message


def test_a_marker_that_is_no_toml(tmp_path: Path) -> None:
    clip = clip_of(sequence("/"), 1001, 4)
    clip.markers.append(otio.schema.Marker("secondtake", comment="please remove the rig"))
    with pytest.raises(BadInput, match="comment of its marker is no TOML"):
        load_edit(save(tmp_path, [clip]))


@pytest.mark.parametrize(
    "content", [b"", b"nonsense", b"{}", b"\xff", b'{"OTIO_SCHEMA": "Clip.2"}', b'{"OTIO_SCHEMA": "No.1"}']
)
def test_what_is_no_timeline(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "cut.otio").write_bytes(content)
    with pytest.raises(BadInput, match="timeline") as raised:
        load_edit(tmp_path / "cut.otio")
    assert "\n" not in str(raised.value)


def test_no_timeline_and_no_clips(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="cannot be read"):
        load_edit(tmp_path / "gone.otio")
    with pytest.raises(BadInput, match="no clips"):
        load_edit(save(tmp_path, []))


def test_without_the_library_the_error_names_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = save(tmp_path, [])
    monkeypatch.setitem(sys.modules, "opentimelineio", None)
    with pytest.raises(BadInput, match="opentimelineio, which is not installed") as raised:
        load_edit(path)
    assert "pip install" in raised.value.remedy
