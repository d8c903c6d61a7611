"""What a take sounds like: the plate's sound, the engine's, and the two joined."""

from __future__ import annotations

import uuid
import wave
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray

from secondtake.errors import BadImage, BadInput, ProofFailed
from secondtake.messages import FixRequest, Operation
from secondtake_daemon.images.movies import probe
from secondtake_daemon.images.sound import Track, movie_sound, read_wav, resampled, wav_bytes
from secondtake_daemon.job.sound import PlateTrack, joined, keep_sound
from secondtake_daemon.pipeline import Folders, render_fix
from secondtake_daemon.review.export import export_full
from secondtake_daemon.store.keys import FileDigests
from secondtake_daemon.store.patches import PatchStore, StoredPatch, StoredSound
from secondtake_daemon.takes.manifest import load
from secondtake_daemon.takes.recipe import on_take
from secondtake_daemon.verify import verify

RATE = 48_000
FPS = 24


def tone(seconds: float, *, hz: float = 440.0, channels: int = 2, rate: int = RATE) -> NDArray[np.float32]:
    times = np.arange(round(seconds * rate)) / rate
    return np.repeat(0.5 * np.sin(2 * np.pi * hz * times)[None], channels, axis=0).astype(np.float32)


def movie(path: Path, *, frames: int = 12, sound: NDArray[np.float32] | None = None) -> Path:
    """Grey frames; lossless pictures and sound."""
    with av.open(str(path), "w") as container:
        picture = container.add_stream("ffv1", rate=FPS)
        picture.width, picture.height, picture.pix_fmt = 64, 48, "yuv444p"
        heard = container.add_stream("pcm_f32le", rate=RATE, layout="stereo") if sound is not None else None
        for at in range(frames):
            planes = np.full((48, 64, 3), 40 + at, np.uint8)
            container.mux(picture.encode(av.VideoFrame.from_ndarray(planes, format="rgb24").reformat(format="yuv444p")))
        container.mux(picture.encode(None))
        if heard is not None and sound is not None:
            frame = av.AudioFrame.from_ndarray(
                np.ascontiguousarray(sound.T.reshape(1, -1)), format="flt", layout="stereo"
            )
            frame.sample_rate, frame.pts = RATE, 0
            container.mux(heard.encode(frame))
            container.mux(heard.encode(None))
    return path


class Silent:
    """A report that nobody reads."""

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *args, **kwargs: None


def folders(root: Path) -> Folders:
    return Folders(cache=root / "cache", takes=root / "takes", cache_bytes=1 << 30)


def request(root: Path, plate: Path, **changes: object) -> FixRequest:
    shapes = root / "matte.json"
    corners = [[20, 12], [44, 12], [44, 30], [20, 30]]
    outline = {"kind": "polygon", "keys": [{"frame": 1, "points": corners}]}
    shapes.write_bytes(msgspec.json.encode({"version": 1, "size": [64, 48], "shapes": [outline]}))
    values = {
        "job": uuid.uuid4().hex, "shot": "sh", "plate": str(plate), "matte": str(shapes), "out": str(root / "out"),
        "operation": Operation.REMOVE, "engine": "standin", "engine_options": {"mode": "noise"},
        "colourspace": "Linear Rec.709 (sRGB)",
    }  # fmt: skip
    return FixRequest(**{**values, **changes})  # type: ignore[arg-type]


def test_a_wav_file_is_read_as_it_was_written_and_by_others(tmp_path: Path) -> None:
    track = Track(samples=np.random.default_rng(0).normal(0, 0.3, (2, 1001)).astype(np.float32), rate_hz=44_100)
    path = tmp_path / "a.wav"
    path.write_bytes(wav_bytes(track))
    again = read_wav(path)
    assert again.samples.tobytes() == track.samples.tobytes()
    assert again.rate_hz == 44_100
    with av.open(str(path)) as container:
        stream = container.streams.audio[0]
        values = np.concatenate([frame.to_ndarray() for frame in container.decode(stream)], axis=1)
    assert stream.rate == 44_100
    assert np.array_equal(values.reshape(-1, 2).T, track.samples)


@pytest.mark.parametrize("spoil", [lambda raw: raw[:-4], lambda raw: raw[:30], lambda raw: b"RIFX" + raw[4:]])
def test_a_spoiled_wav_file_is_refused(tmp_path: Path, spoil: Callable[[bytes], bytes]) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(spoil(wav_bytes(Track(samples=tone(0.1), rate_hz=RATE))))
    with pytest.raises(BadImage, match="sound"):
        read_wav(path)


def test_a_16_bit_wav_file_is_none_of_ours(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    with wave.open(str(path), "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(b"\0" * 400)
    with pytest.raises(BadImage, match="not as it was written"):
        read_wav(path)


def test_the_sound_of_some_frames_of_a_movie_to_the_sample(tmp_path: Path) -> None:
    sound = np.random.default_rng(1).normal(0, 0.1, (2, RATE // 2)).astype(np.float32)
    facts = probe(movie(tmp_path / "a.mkv", sound=sound))
    track = movie_sound(facts, begin_s=Fraction(3, FPS), end_s=Fraction(7, FPS))
    assert track is not None
    assert track.rate_hz == RATE
    assert np.array_equal(track.samples, sound[:, 6000:14000])


def test_sound_that_ends_early_goes_on_as_silence(tmp_path: Path) -> None:
    facts = probe(movie(tmp_path / "a.mkv", sound=tone(0.1)))
    track = movie_sound(facts, begin_s=Fraction(0), end_s=Fraction(1, 2))
    assert track is not None
    assert track.samples.shape == (2, RATE // 2)
    assert np.abs(track.samples[:, :4800]).max() > 0.4
    assert not track.samples[:, 4800:].any()


def test_a_silent_movie_has_none(tmp_path: Path) -> None:
    facts = probe(movie(tmp_path / "a.mkv"))
    assert movie_sound(facts, begin_s=Fraction(0), end_s=Fraction(1, 2)) is None


@pytest.mark.parametrize(("rate", "channels"), [(24_000, 2), (44_100, 1), (96_000, 2)])
def test_another_rate_sounds_the_same(rate: int, channels: int) -> None:
    other = resampled(Track(samples=tone(0.5), rate_hz=RATE), rate_hz=rate, channels=channels)
    wanted = tone(0.5, channels=channels, rate=rate)
    assert other.samples.shape == wanted.shape
    inner = slice(rate // 20, -rate // 20)
    assert np.abs(other.samples[:, inner] - wanted[:, inner]).max() < 0.01


def piece(seconds: float, *, begin_s: float, margin_s: float = 0.1, hz: float = 440.0) -> StoredSound:
    """A part of one long tone."""
    whole, margin = tone(20, hz=hz, rate=8000), round(margin_s * 8000)
    first, last = round(begin_s * 8000), round((begin_s + seconds) * 8000)
    before = min(margin, first)
    return StoredSound(whole[:, first - before : last + margin], 8000, before, margin)


def test_windows_are_joined_without_a_click() -> None:
    parts = [piece(4.0, begin_s=0), piece(2.0, begin_s=4.0), piece(4.0, begin_s=6.0)]
    track = joined([96, 48, 96], parts)
    assert track is not None
    assert track.samples.shape == (2, 80_000)
    assert np.abs(np.diff(track.samples[0])).max() < 1.5 * np.abs(np.diff(tone(1, rate=8000)[0])).max()


def test_two_that_do_not_meet_are_faded() -> None:
    high, low = (StoredSound(np.full((1, 8000 + 1600), value, np.float32), 8000, 800, 800) for value in (0.4, -0.4))
    track = joined([24, 24], [high, low])
    assert track is not None
    assert np.abs(np.diff(track.samples[0])).max() < 0.01


def test_sounds_that_differ_keep_their_power_over_the_seam() -> None:
    rng = np.random.default_rng(2)
    noise = [StoredSound(rng.normal(0, 0.2, (1, 8000 + 1600)).astype(np.float32), 8000, 800, 800) for _ in range(2)]
    track = joined([24, 24], noise)
    assert track is not None
    assert float(track.samples[0, 7200:8800].std()) == pytest.approx(0.2, rel=0.1)


def test_a_window_without_sound_is_silent_and_as_long_as_it_is() -> None:
    track = joined([24, 12, 24], [piece(1.0, begin_s=0), None, piece(1.0, begin_s=1.5)])
    assert track is not None
    assert track.samples.shape == (2, 20_000)
    assert not track.samples[:, 8000:12000].any()
    assert np.array_equal(track.samples[:, 12000:], piece(1.0, begin_s=1.5).samples[:, 800:-800])
    assert joined([24, 24], [None, None]) is None


def test_new_frames_sound_as_they_were_made_and_the_plates_as_it_was(tmp_path: Path) -> None:
    made = [piece(2.0, begin_s=0, hz=200.0)]
    plate = PlateTrack(frames=tuple(range(1, 25)), track=Track(samples=tone(1.0, channels=1), rate_hz=RATE))
    path = tmp_path / "a.wav"
    frames = tuple(range(1, 49))
    used = keep_sound(path, windows=[frames], made=made, plate=plate, digests=FileDigests())
    assert used is not None
    assert (used.made, used.rate_hz, used.channels) == ("25-48", 8000, 2)
    track = read_wav(path)
    assert track.samples.shape == (2, 16_000)
    assert np.abs(track.samples[:, 400:7600] - tone(1.0, rate=8000)[:, 400:7600]).max() < 0.02
    assert np.array_equal(track.samples[:, 8000:], made[0].samples[:, 8000:16_000])


def test_a_patch_keeps_its_sound(tmp_path: Path) -> None:
    store, sound = PatchStore(tmp_path), piece(1.0, begin_s=2.0)
    patch = StoredPatch((np.ones((3, 3), np.float32),), sound=sound)
    assert store.put("ab" * 32, patch)
    found = store.get("ab" * 32, counts=(3,))
    assert found is not None
    assert found.sound is not None
    assert found.sound.samples.tobytes() == sound.samples.tobytes()
    assert (found.sound.rate_hz, found.sound.before, found.sound.after) == (8000, 800, 800)
    assert patch.size_bytes > sound.samples.nbytes


def test_a_take_of_a_movie_keeps_its_sound_and_so_does_one_on_it(tmp_path: Path) -> None:
    sound = np.random.default_rng(1).normal(0, 0.1, (2, RATE // 2)).astype(np.float32)
    plate = movie(tmp_path / "a.mkv", sound=sound)
    result = render_fix(
        request(tmp_path, plate, frames="3-8"), take="t00000001", folders=folders(tmp_path), report=Silent()
    )
    folder = Path(result.manifest).parent
    manifest = load(folder)
    assert manifest.sound is not None
    assert manifest.sound.made == ""
    assert np.array_equal(read_wav(folder / manifest.sound.file).samples, sound[:, 4000:16_000])
    assert manifest.sound.file in export_full(folder, tmp_path / "copy", on_frame=lambda done, count, frame: None)

    above = replace_request(
        on_take(manifest, folder, frames="4-6"), job=uuid.uuid4().hex, matte=str(tmp_path / "matte.json"),
        out=str(tmp_path / "above"), engine="standin", engine_options={"mode": "noise"},
    )  # fmt: skip
    render_fix(above, take="t00000002", folders=folders(tmp_path), report=Silent())
    higher = load(tmp_path / "above")
    assert higher.sound is not None
    assert np.array_equal(read_wav(tmp_path / "above" / higher.sound.file).samples, sound[:, 6000:12_000])

    assert verify(folder).holds
    (folder / manifest.sound.file).write_bytes(wav_bytes(Track(samples=tone(0.25), rate_hz=RATE)))
    with pytest.raises(ProofFailed, match="sound changed"):
        verify(folder).require()
    again = replace_request(above, job=uuid.uuid4().hex, out=str(tmp_path / "third"))
    with pytest.raises(BadInput, match="not the one that was recorded"):
        render_fix(again, take="t00000003", folders=folders(tmp_path), report=Silent())
    assert not (tmp_path / "third").exists(), "nothing is left of it"


def replace_request(request: FixRequest, **changes: object) -> FixRequest:
    return msgspec.structs.replace(request, **changes)


def test_a_take_of_a_silent_plate_is_silent(tmp_path: Path) -> None:
    plate = movie(tmp_path / "a.mkv")
    result = render_fix(
        request(tmp_path, plate, frames="1-3"), take="t00000001", folders=folders(tmp_path), report=Silent()
    )
    folder = Path(result.manifest).parent
    assert load(folder).sound is None
    assert not list(folder.glob("*.wav"))
