"""Animatics: real EXR frames and movies in, a real movie out, read back with FFmpeg."""

from __future__ import annotations

import wave
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import OpenEXR
import pytest
from numpy.typing import NDArray

from secondtake.errors import BadInput, DiskError, UnknownColour
from secondtake.frames import FrameRange
from secondtake_daemon.edits import animatic
from secondtake_daemon.edits.animatic import write_animatic
from secondtake_daemon.edits.cuts import Cut, black, plate_cut
from secondtake_daemon.edits.edit import EditShot
from secondtake_daemon.edits.pictures import Size, common_size
from secondtake_daemon.edits.sound import Sound
from secondtake_daemon.images.colour import Screen, resolve

RED, GREEN, BLUE = (1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)
RATE = Fraction(24)


def write_plate(
    folder: Path,
    colours: list[tuple[float, float, float]],
    *,
    size: tuple[int, int] = (64, 36),
    first: int = 1001,
    header: dict[str, object] | None = None,
) -> str:
    """Flat frames, one of each colour."""
    folder.mkdir()
    for frame, colour in enumerate(colours, start=first):
        planes = {name: np.full(size[::-1], value, np.float16) for name, value in zip("RGB", colour, strict=True)}
        OpenEXR.File({"type": OpenEXR.scanlineimage, **(header or {})}, planes).write(str(folder / f"p.{frame}.exr"))
    return str(folder / "p.####.exr")


def write_movie(path: Path, *, frames: int, tone_hz: float | None, tagged: bool = True) -> Path:
    """Grey frames that get brighter, and a tone."""
    with av.open(str(path), "w") as container:
        video = container.add_stream("ffv1", rate=24)
        video.width, video.height, video.pix_fmt = 64, 36, "yuv444p"
        if tagged:
            codec = video.codec_context
            codec.color_primaries, codec.color_trc, codec.colorspace = 1, 1, 1
        audio = container.add_stream("pcm_s16le", rate=48_000, layout="stereo") if tone_hz else None
        for number in range(frames):
            grey = np.full((36, 64, 3), 20 * number + 40, np.uint8)
            container.mux(video.encode(av.VideoFrame.from_ndarray(grey, "rgb24")))
        container.mux(video.encode())
        if audio is not None and tone_hz:
            block = av.AudioFrame.from_ndarray(tone(tone_hz, frames * 2000), format="s16", layout="stereo")
            block.sample_rate = 48_000
            container.mux(audio.encode(block))
            container.mux(audio.encode())
    return path


def tone(hertz: float, count: int) -> NDArray[np.int16]:
    """(1, 2 × count) interleaved: silence in the first half, then the tone."""
    time_s = np.arange(count) / 48_000
    values = 12_000 * np.sin(2 * np.pi * hertz * time_s) * (np.arange(count) >= count // 2)
    return np.repeat(np.rint(values).astype(np.int16), 2)[None]


def write_wav(path: Path, *, seconds: float, hertz: float = 1000) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(24_000)
        time_s = np.arange(round(seconds * 24_000)) / 24_000
        file.writeframes(np.rint(12_000 * np.sin(2 * np.pi * hertz * time_s)).astype("<i2").tobytes())
    return path


def shot(plate: object, **more: object) -> EditShot:
    return EditShot(name="s", plate=str(plate), **more)  # type: ignore[arg-type]


def play(path: Path) -> list[NDArray[np.uint8]]:
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


def hear(path: Path) -> NDArray[np.float32]:
    """Left channel."""
    with av.open(str(path)) as container:
        return np.concatenate([frame.to_ndarray()[0] for frame in container.decode(audio=0)])


def write(cuts: list[Cut], path: Path, *, sound: Path | None = None, rate: Fraction = RATE) -> tuple[str, ...]:
    return write_animatic(tuple(cuts), path, rate=rate, sound=sound, on_frame=lambda done, total: None)


def test_shots_play_one_after_the_other_as_the_display_shows_them(tmp_path: Path) -> None:
    first = plate_cut(shot(write_plate(tmp_path / "a", [(0.18,) * 3, RED])))
    second = plate_cut(shot(write_plate(tmp_path / "b", [GREEN] * 3), frames=FrameRange(1002, 1003), gap_frames=1))
    assert write([first, second], tmp_path / "out" / "x.mp4") == ()
    frames = play(tmp_path / "out" / "x.mp4")
    assert len(frames) == 2 + 1 + 2
    shown = Screen(resolve("lin_rec709")).show(np.array([[(0.18,) * 3, RED, GREEN]], np.float32))[0].astype(int)
    for frame, wanted in zip(frames, (shown[0], shown[1], (0, 0, 0), shown[2], shown[2]), strict=True):
        assert frame.shape == (36, 64, 3)
        assert np.abs(frame[18, 32].astype(int) - wanted).max() <= 6, "H.264 is lossy, but not so"
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["x.mp4"]
    with av.open(str(tmp_path / "out" / "x.mp4")) as container:
        video = container.streams.video[0]
        assert video.average_rate == 24
        assert (video.codec_context.color_primaries, video.codec_context.color_trc) == (1, 13)
        assert len(container.streams.audio) == 0


def test_ntsc_rates_are_exact(tmp_path: Path) -> None:
    cut = plate_cut(shot(write_plate(tmp_path / "a", [BLUE] * 3)))
    write([cut], tmp_path / "x.mp4", rate=Fraction(24000, 1001))
    with av.open(str(tmp_path / "x.mp4")) as container:
        assert container.streams.video[0].average_rate == Fraction(24000, 1001)


def test_shots_of_another_size_are_letterboxed(tmp_path: Path) -> None:
    wide = plate_cut(shot(write_plate(tmp_path / "a", [GREEN], size=(64, 36))))
    tall = plate_cut(shot(write_plate(tmp_path / "b", [GREEN], size=(20, 40))))
    write([wide, tall], tmp_path / "x.mp4")
    _, letterboxed = play(tmp_path / "x.mp4")
    assert letterboxed.shape == (36, 64, 3)
    assert letterboxed[18, 32, 1] > 100
    assert letterboxed[18, [4, 18, 46, 60]].max() < 30, "black beside it"


def test_large_frames_become_1280_wide_with_even_sides() -> None:
    assert common_size([Size(3840, 2160), Size(1920, 1080)]) == Size(1280, 720)
    assert common_size([Size(1998, 1081)]) == Size(1280, 692)
    assert common_size([Size(61, 33)]) == Size(60, 32)
    assert common_size([]) == Size(1280, 720)


def test_anamorphic_and_overscan(tmp_path: Path) -> None:
    display = (np.array([0, 0], np.int32), np.array([31, 35], np.int32))
    data = (np.array([-8, -8], np.int32), np.array([23, 27], np.int32))
    header = {"displayWindow": display, "dataWindow": data, "pixelAspectRatio": 2.0}
    cut = plate_cut(shot(write_plate(tmp_path / "a", [GREEN], size=(32, 36), header=header)))
    write([cut], tmp_path / "x.mp4")
    (frame,) = play(tmp_path / "x.mp4")
    assert frame.shape == (36, 64, 3)
    assert frame[10, 20, 1] > 100
    assert frame[34, 60].max() < 30, "the display window is black where there is no data"


def test_a_damaged_frame_is_black_and_noted(tmp_path: Path) -> None:
    cut = plate_cut(shot(write_plate(tmp_path / "a", [GREEN] * 3)))
    cut.files[1].write_bytes(b"no EXR at all")
    notes = write([cut, black(shot("gone", frames=FrameRange(1, 2)))], tmp_path / "x.mp4")
    frames = play(tmp_path / "x.mp4")
    assert [frame[18, 32, 1] > 100 for frame in frames] == [True, False, False, False, False]
    assert len(notes) == 1
    assert "Shot s is black from its frame 1002 on" in notes[0]


def test_nan_and_infinity_can_be_looked_at(tmp_path: Path) -> None:
    cut = plate_cut(shot(write_plate(tmp_path / "a", [(np.nan, np.inf, -np.inf), (np.inf,) * 3], size=(2000, 8))))
    write([cut], tmp_path / "x.mp4")
    first, second = play(tmp_path / "x.mp4")
    assert first.shape[1] == 1280
    assert second[2, 640].min() > 240


def test_a_movie_plays_from_its_frame_on_with_its_sound(tmp_path: Path) -> None:
    path = write_movie(tmp_path / "m.mkv", frames=8, tone_hz=1000)  # the tone begins with its fifth frame
    silent = plate_cut(shot(write_plate(tmp_path / "a", [GREEN] * 2)))
    cut = plate_cut(shot(path, frames=FrameRange(4, 7)))
    assert cut.frames == (4, 5, 6, 7)
    write([silent, cut], tmp_path / "x.mp4")
    frames = play(tmp_path / "x.mp4")
    grey = [int(frame[18, 32, 0]) for frame in frames[2:]]
    assert len(frames) == 6
    assert grey == sorted(grey)
    assert grey[3] - grey[0] > 40
    heard = hear(tmp_path / "x.mp4")
    assert len(heard) == pytest.approx(6 * 2000, abs=1024)
    loud = [float(np.abs(heard[at * 2000 + 400 : at * 2000 + 1600]).max()) > 0.1 for at in range(6)]
    assert loud == [False, False, False, True, True, True], "silence, then from the movie's fifth frame the tone"


def test_a_sound_file_is_cut_to_the_picture_and_beats_the_movies(tmp_path: Path) -> None:
    sound = write_wav(tmp_path / "s.wav", seconds=0.125)
    cut = plate_cut(shot(write_movie(tmp_path / "m.mkv", frames=6, tone_hz=None)))
    write([cut], tmp_path / "long.mp4", sound=write_wav(tmp_path / "long.wav", seconds=9))
    assert len(hear(tmp_path / "long.mp4")) == pytest.approx(6 * 2000, abs=1024)
    write([cut], tmp_path / "short.mp4", sound=sound)
    heard = hear(tmp_path / "short.mp4")
    assert len(heard) == pytest.approx(6 * 2000, abs=1024)
    assert np.abs(heard[1000:5000]).max() > 0.2
    assert np.abs(heard[8000:]).max() < 0.01


def test_a_take_is_heard_as_it_was_made(tmp_path: Path) -> None:
    """Its own sound comes before that of the movie it goes on from, whose first frame is not the take's."""
    movie = write_movie(tmp_path / "m.mkv", frames=2, tone_hz=None)
    files = plate_cut(shot(write_plate(tmp_path / "a", [GREEN] * 4))).files
    own = write_wav(tmp_path / "s.wav", seconds=4 / 24)
    cut = Cut(shot=shot(movie), frames=(-1, 0, 1, 2), files=files, movie=movie, sound=own)
    write([plate_cut(shot(write_plate(tmp_path / "b", [RED] * 2))), cut], tmp_path / "x.mp4")
    heard = hear(tmp_path / "x.mp4")
    assert len(heard) == pytest.approx(6 * 2000, abs=1024)
    loud = [float(np.abs(heard[at * 2000 + 400 : at * 2000 + 1600]).max()) > 0.1 for at in range(6)]
    assert loud == [False] * 2 + [True] * 4


def test_a_sound_is_read_to_the_sample(tmp_path: Path) -> None:
    path = write_wav(tmp_path / "s.wav", seconds=0.5, hertz=440)
    with Sound(path) as whole, Sound(path, start_s=Fraction(1, 10)) as later:
        everything = whole.read(24_000)
        parts = np.concatenate([later.read(count) for count in (1, 4000, 7, 992)], axis=1)
    np.testing.assert_array_equal(parts, everything[:, 4800:9800])
    assert everything.shape == (2, 24_000)


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [("s.txt", b"x", "of the kind '.txt'"), ("s.wav", b"x" * 100, "cannot be used"), ("s.mp3", b"", "cannot be used")],
)
def test_what_is_no_sound(tmp_path: Path, name: str, content: bytes, says: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(BadInput, match=says):
        Sound(tmp_path / name)


def test_a_movie_without_colour_tags_must_be_named(tmp_path: Path) -> None:
    path = write_movie(tmp_path / "m.mkv", frames=2, tone_hz=None, tagged=False)
    with pytest.raises(UnknownColour):
        plate_cut(shot(path))
    assert plate_cut(replace(shot(path), colourspace="srgb_tx")).colourspace == "srgb_tx"


def test_nothing_half_written_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cut = plate_cut(shot(write_plate(tmp_path / "a", [GREEN] * 3)))
    (tmp_path / "x.mp4").write_bytes(b"the one before")

    def stop(done: int, total: int) -> None:
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_animatic((cut,), tmp_path / "x.mp4", rate=RATE, sound=None, on_frame=stop)
    assert (tmp_path / "x.mp4").read_bytes() == b"the one before"
    assert not list(tmp_path.glob(".*"))
    monkeypatch.setattr(animatic, "_CRF", "nonsense")
    with pytest.raises(DiskError, match="cannot be written"):
        write([cut], tmp_path / "x.mp4")
    assert not list(tmp_path.glob(".*"))
