"""Movies as plates: exact codes, tags, turns, resuming, and broken files. All are made here, by real encoders."""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import OpenEXR
import pytest
from av.video.reformatter import ColorRange
from numpy.typing import NDArray

from secondtake.errors import BadImage, MissingFrames, UnknownColour
from secondtake.frames import FrameSet
from secondtake_daemon.images import movies
from secondtake_daemon.images.colour import Transform
from secondtake_daemon.images.movie_frames import Coding, layout_of, read_rgb
from secondtake_daemon.images.sequences import choose
from secondtake_daemon.store.io import replace_file

Codes = NDArray[np.generic]

BT709, SRGB, UNSAID = (1, 1, 1), (1, 13, 0), (2, 2, 2)


@pytest.fixture(autouse=True)
def _built_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OCIO", raising=False)


def frame_of(planes: Sequence[Codes], pixel_format: str, *, width: int = 0) -> av.VideoFrame:
    height, width = planes[0].shape[0], width or planes[0].shape[1]
    frame = av.VideoFrame(width, height, pixel_format)
    for plane, codes in zip(frame.planes, planes, strict=True):
        buffer = np.zeros((plane.height, plane.line_size // codes.itemsize), codes.dtype)
        buffer[:, : codes.shape[1]] = codes
        plane.update(buffer.tobytes())
    return frame


def encode(
    path: Path,
    frames: Sequence[av.VideoFrame],
    *,
    codec: str = "ffv1",
    tags: tuple[int, int, int] = BT709,
    color_range: int = 1,
    rate: Fraction = Fraction(24),
    times: Sequence[int] | None = None,
    aspect: Fraction | None = None,
    options: dict[str, str] | None = None,
) -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate, options=options or {})
        stream.width, stream.height, stream.pix_fmt = frames[0].width, frames[0].height, frames[0].format.name
        context = stream.codec_context
        context.color_primaries, context.color_trc, context.colorspace = tags
        context.color_range = color_range
        if aspect:
            context.sample_aspect_ratio = aspect
        for index, frame in enumerate(frames):
            frame.pts = times[index] if times else index
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def grey_frames(count: int, width: int = 32, height: int = 16) -> list[av.VideoFrame]:
    """yuv420p frames whose luma is 16 + their number."""
    chroma = np.full((height // 2, width // 2), 128, np.uint8)
    return [
        frame_of([np.full((height, width), 16 + number, np.uint8), chroma, chroma], "yuv420p")
        for number in range(1, count + 1)
    ]


def converted(path: Path, cache: Path, *, step: Callable[[], None] = lambda: None, **more: FrameSet) -> list[Path]:
    sequence = movies.convert(movies.probe(path), cache, replace_file=replace_file, step=step, **more)
    return [sequence.path(frame) for frame in choose(sequence, more.get("frames"))]


def read(path: Path) -> tuple[dict[str, Codes], dict[str, object]]:
    file = OpenEXR.File(str(path), separate_channels=True)
    return {name: np.array(channel.pixels) for name, channel in file.channels().items()}, file.header()


def test_rgb_codes_come_out_exactly(tmp_path: Path) -> None:
    codes = np.arange(48 * 32, dtype=np.uint32).reshape(32, 48)
    bgr = np.stack([codes % 251, codes % 256, codes % 241, codes * 0], axis=-1).astype(np.uint8)
    path = encode(tmp_path / "a.mkv", [frame_of([bgr.reshape(32, -1)], "bgr0", width=48)], tags=SRGB, color_range=2)
    planes, _ = read(converted(path, tmp_path / "cache")[0])
    for name, index in (("R", 2), ("G", 1), ("B", 0)):
        assert planes[name].dtype == np.float16
        assert np.array_equal(planes[name], (bgr[..., index] / np.float32(255)).astype(np.float16))
        assert np.array_equal(np.rint(planes[name].astype(np.float64) * 255), bgr[..., index])


def test_every_ten_bit_code_survives_as_half(tmp_path: Path) -> None:
    codes = np.arange(1024, dtype=np.uint16).reshape(32, 32)
    path = encode(tmp_path / "a.mkv", [frame_of([codes] * 3, "gbrp10le")], tags=SRGB, color_range=2)
    assert movies.probe(path).bits == 10
    planes, _ = read(converted(path, tmp_path / "cache")[0])
    assert planes["G"].dtype == np.float16
    assert np.array_equal(np.rint(planes["G"].astype(np.float64) * 1023), codes)


def test_twelve_bits_are_written_as_float(tmp_path: Path) -> None:
    codes = np.arange(4096, dtype=np.uint16).reshape(64, 64)
    path = encode(tmp_path / "a.mkv", [frame_of([codes] * 3, "gbrp12le")], tags=SRGB, color_range=2)
    planes, _ = read(converted(path, tmp_path / "cache")[0])
    assert planes["R"].dtype == np.float32
    assert np.array_equal(planes["R"], codes.astype(np.float32) / np.float32(4095))


def by_the_standard(codes: Sequence[Codes], bits: int, full: bool, red: float, blue: float) -> NDArray[np.float64]:
    """H.273 equations for YCbCr to RGB in float64."""
    y, cb, cr = (plane.astype(np.float64) for plane in codes)
    step, top = 2 ** (bits - 8), 2**bits - 1
    luma = y / top if full else (y - 16 * step) / (219 * step)
    span = top if full else 224 * step
    cb, cr = (cb - 2 ** (bits - 1)) / span, (cr - 2 ** (bits - 1)) / span
    green = 1 - red - blue
    g = luma - 2 * blue * (1 - blue) / green * cb - 2 * red * (1 - red) / green * cr
    return np.stack([luma + 2 * (1 - red) * cr, g, luma + 2 * (1 - blue) * cb])


@pytest.mark.parametrize("bits", [8, 10, 12, 16])
@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("weights", [(0.2126, 0.0722), (0.299, 0.114), (0.2627, 0.0593)])
def test_yuv_follows_the_standard_and_keeps_what_is_over_white(
    bits: int, full: bool, weights: tuple[float, float]
) -> None:
    codes = np.random.default_rng(bits).integers(0, 2**bits, (3, 16, 24)).astype(np.uint8 if bits == 8 else np.uint16)
    frame = frame_of(list(codes), "yuv444p" if bits == 8 else f"yuv444p{bits}le")
    layout = layout_of(frame.format)
    assert layout is not None
    planes = read_rgb(frame, layout=layout, coding=Coding(full_range=full, weights=weights))
    expected = by_the_standard(list(codes), bits, full, *weights)
    assert expected.max() > 1.2
    assert np.abs(np.stack([planes[name] for name in "RGB"]) - expected).max() < 2e-6


@pytest.mark.parametrize(
    ("packed", "planar"),
    [
        ("nv12", "yuv420p"),
        ("yuyv422", "yuv422p"),
        ("rgb24", "gbrp"),
        ("rgba64le", "gbrap16le"),
        ("p010le", "yuv420p10le"),
    ],
)
@pytest.mark.parametrize("color_range", [ColorRange.MPEG, ColorRange.JPEG])
def test_packed_formats_are_unpacked_without_loss(packed: str, planar: str, color_range: ColorRange) -> None:
    frame = av.VideoFrame(32, 16, packed)
    for plane in frame.planes:
        codes = np.random.default_rng(3).integers(0, 256, plane.buffer_size, dtype=np.uint8)
        plane.update((codes.view("<u2") & 0xFFC0).tobytes() if packed == "p010le" else codes.tobytes())
    frame.color_range = color_range
    same = frame.reformat(format=planar, src_color_range=color_range, dst_color_range=color_range)
    coding = Coding(full_range=True, weights=(0.2126, 0.0722))
    both = []
    for one in (frame, same):
        layout = layout_of(one.format)
        assert layout is not None
        both.append(read_rgb(one, layout=layout, coding=coding))
    assert all(np.array_equal(both[0][name], both[1][name]) for name in "RGB")
    back = same.reformat(format=packed, src_color_range=color_range, dst_color_range=color_range)
    assert all(bytes(a) == bytes(b) for a, b in zip(frame.planes, back.planes, strict=True))


@pytest.mark.parametrize(("pixel_format", "across", "down"), [("yuv420p", 2, 2), ("yuv422p", 2, 1), ("yuv411p", 4, 1)])
@pytest.mark.parametrize("centred", [False, True])
def test_chroma_lies_where_the_standard_puts_it(pixel_format: str, across: int, down: int, centred: bool) -> None:
    """A chroma ramp that is linear in place must come out as the same ramp."""
    height, width = 16, 32
    columns = np.arange(width // across) * across + ((across - 1) / 2 if centred else 0)
    cr = np.tile(np.rint(64 + 4 * columns), (height // down, 1)).astype(np.uint8)
    flat = np.full_like(cr, 128)
    frame = frame_of([np.full((height, width), 128, np.uint8), flat, cr], pixel_format)
    layout = layout_of(frame.format)
    assert layout is not None
    coding = Coding(full_range=True, weights=(0.2126, 0.0722), centred_chroma=centred)
    red = read_rgb(frame, layout=layout, coding=coding)["R"]
    truth = (64 + 4 * np.arange(width) - 128) / 255 * 2 * (1 - 0.2126) + 128 / 255
    assert np.abs(red - truth)[:, 4:-4].max() < 1e-5


def test_the_range_of_the_tag_is_used(tmp_path: Path) -> None:
    chroma = np.full((8, 16), 128, np.uint8)
    frame = [frame_of([np.full((16, 32), 235, np.uint8), chroma, chroma], "yuv420p")]
    for color_range, white in ((1, 1.0), (2, 235 / 255)):
        path = encode(tmp_path / f"{color_range}.mkv", frame, color_range=color_range)
        planes, _ = read(converted(path, tmp_path / "cache")[0])
        assert np.allclose(planes["G"], white, atol=3e-4)


def test_an_everyday_mp4(tmp_path: Path) -> None:
    path = encode(tmp_path / "a.mp4", grey_frames(6), codec="libx264", rate=Fraction(24000, 1001), options={"qp": "0"})
    facts = movies.probe(path)
    assert (facts.width, facts.height, facts.bits, facts.rate) == (32, 16, 8, Fraction(24000, 1001))
    assert facts.notes == ()
    assert facts.colour().name == "Gamma 2.4 Encoded Rec.709"
    frames = converted(path, tmp_path / "cache")
    assert [frame.name for frame in frames] == [f"frame.{number:06d}.exr" for number in range(1, 7)]
    for number, frame in enumerate(frames, start=1):
        planes, header = read(frame)
        assert np.allclose(planes["R"], number / 219, atol=2e-4)
        assert sorted(planes) == ["B", "G", "R"]
        assert header["framesPerSecond"] == Fraction(24000, 1001)
        assert "colorInteropID" not in header


@pytest.mark.parametrize(
    ("suffix", "codec"),
    [
        (".avi", "mjpeg"),
        (".m4v", "libx264"),
        (".mkv", "libx264"),
        (".mpg", "mpeg2video"),
        (".mts", "libx264"),
        (".mxf", "mpeg2video"),
        (".ts", "libx265"),
        (".webm", "libvpx-vp9"),
        (".y4m", "wrapped_avframe"),
    ],
)
def test_every_container(tmp_path: Path, suffix: str, codec: str) -> None:
    frames = grey_frames(8, width=64, height=64)
    if codec == "mjpeg":
        frames = [frame.reformat(format="yuvj420p") for frame in frames]
    path = encode(tmp_path / f"a{suffix}", frames, codec=codec)
    assert movies.is_movie(path)
    facts = movies.probe(path)
    assert (facts.width, facts.height, facts.rate) == (64, 64, 24)
    assert not any("varies" in note for note in facts.notes)
    frames_out = converted(path, tmp_path / "cache")
    assert len(frames_out) == 8
    planes, _ = read(frames_out[7])
    assert np.abs(planes["G"] - 8 / 219).max() < 0.02


def test_pixel_aspect_is_kept(tmp_path: Path) -> None:
    path = encode(tmp_path / "a.mkv", grey_frames(1), codec="libx264", aspect=Fraction(16, 15))
    _, header = read(converted(path, tmp_path / "cache")[0])
    assert header["pixelAspectRatio"] == pytest.approx(16 / 15)


def turned(path: Path, matrix: tuple[int, int, int, int]) -> Path:
    """The same MP4 with another matrix in its track header (ISO/IEC 14496-12, tkhd)."""
    raw = path.read_bytes()
    plain = struct.pack(">9i", 1 << 16, 0, 0, 0, 1 << 16, 0, 0, 0, 1 << 30)
    a, b, c, d = (value << 16 for value in matrix)
    at = raw.index(plain, raw.index(b"tkhd"))
    out = path.with_name(f"turned.{path.name}")
    out.write_bytes(raw[:at] + struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30) + raw[at + 36 :])
    return out


@pytest.mark.parametrize(
    ("matrix", "corner"),
    [((1, 0, 0, 1), (0, 0)), ((0, 1, -1, 0), (0, -1)), ((-1, 0, 0, -1), (-1, -1)), ((0, -1, 1, 0), (-1, 0))],
)
def test_a_turned_movie_stands_upright(
    tmp_path: Path, matrix: tuple[int, int, int, int], corner: tuple[int, int]
) -> None:
    """The matrix maps (x, y) to (a·x + c·y, b·x + d·y): (0, 1, −1, 0) turns clockwise, upper left goes upper right."""
    luma = np.full((16, 32), 16, np.uint8)
    luma[:4, :4] = 235
    chroma = np.full((8, 16), 128, np.uint8)
    frames = [frame_of([luma, chroma, chroma], "yuv420p")]
    plain = encode(tmp_path / "a.mp4", frames, codec="libx264", options={"qp": "0"}, aspect=Fraction(2))
    path = turned(plain, matrix)
    facts = movies.probe(path)
    upright = matrix[0] != 0
    assert (facts.width, facts.height) == ((32, 16) if upright else (16, 32))
    assert facts.pixel_aspect == (2 if upright else Fraction(1, 2))
    planes, _ = read(converted(path, tmp_path / "cache")[0])
    assert planes["G"].shape == (facts.height, facts.width)
    assert planes["G"][corner] > 0.9
    assert planes["G"].astype(np.float64).sum() == pytest.approx(16, abs=0.5)


def test_a_mirrored_movie_is_refused(tmp_path: Path) -> None:
    path = turned(encode(tmp_path / "a.mp4", grey_frames(1), codec="libx264"), (-1, 0, 0, 1))
    with pytest.raises(BadImage, match="mirrored"):
        movies.probe(path)


def test_a_second_call_decodes_nothing_and_a_cut_one_goes_on(tmp_path: Path) -> None:
    path = encode(tmp_path / "a.mkv", grey_frames(5))
    calls: list[int] = []

    def stop_at_three() -> None:
        calls.append(1)
        if len(calls) == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        converted(path, tmp_path / "cache", step=stop_at_three)
    folder = next((tmp_path / "cache").iterdir())
    assert sorted(entry.name for entry in folder.iterdir()) == [f"frame.{number:06d}.exr" for number in (1, 2, 3)]
    before = (folder / "frame.000001.exr").stat().st_mtime_ns
    assert len(converted(path, tmp_path / "cache", step=lambda: calls.append(1))) == 5
    assert (folder / "frame.000001.exr").stat().st_mtime_ns == before
    calls.clear()
    again = converted(path.rename(tmp_path / "b.mkv"), tmp_path / "cache", step=lambda: calls.append(1))
    assert (len(again), calls) == (5, [])


def test_only_the_frames_that_are_wanted(tmp_path: Path) -> None:
    path = encode(tmp_path / "a.mkv", grey_frames(9))
    calls: list[int] = []
    wanted = FrameSet.parse("3-4")
    frames = converted(path, tmp_path / "cache", frames=wanted, step=lambda: calls.append(1))
    assert [frame.name for frame in frames] == ["frame.000003.exr", "frame.000004.exr"]
    assert len(calls) == 4
    converted(path, tmp_path / "cache", frames=wanted, step=lambda: calls.append(1))
    assert len(calls) == 4
    assert len(converted(path, tmp_path / "cache")) == 9
    with pytest.raises(MissingFrames, match="has frames 1-9, not 8-12"):
        converted(path, tmp_path / "other", frames=FrameSet.parse("8-12"))


def test_a_varying_rate_is_said(tmp_path: Path) -> None:
    steady = encode(tmp_path / "a.mkv", grey_frames(6), rate=Fraction(24000, 1001))
    assert movies.probe(steady).notes == ()
    times = [0, 1, 2, 5, 6, 9]
    path = encode(tmp_path / "b.mkv", grey_frames(6), times=times)
    assert "frame rate varies" in movies.probe(path).notes[0]
    assert len(converted(path, tmp_path / "cache")) == 6


def test_alpha_is_left_out_with_a_note(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    planes = [rng.integers(0, 256, (16, 32), dtype=np.uint8).astype(np.uint16) for _ in range(4)]
    path = encode(tmp_path / "a.mkv", [frame_of(planes, "gbrap12le")], tags=SRGB, color_range=2)
    assert movies.probe(path).notes == ("The movie's alpha channel was left out.",)
    channels, _ = read(converted(path, tmp_path / "cache")[0])
    assert sorted(channels) == ["B", "G", "R"]
    assert np.array_equal(channels["R"], planes[2].astype(np.float32) / np.float32(4095))


def test_an_unnamed_matrix_goes_by_the_size_and_says_so(tmp_path: Path) -> None:
    path = encode(tmp_path / "a.mkv", grey_frames(1), tags=UNSAID)
    facts = movies.probe(path)
    assert facts.coding.weights == (0.299, 0.114)
    assert facts.notes == ("The movie does not name its YUV matrix; BT.601 was taken.",)


@pytest.mark.parametrize("tags", sorted(movies._SPACES))
def test_every_colour_tag_has_its_space_in_the_built_in_configuration(tmp_path: Path, tags: tuple[int, int]) -> None:
    """Also that its values can be brought to scene-linear and back."""
    path = encode(tmp_path / "a.mkv", grey_frames(1), tags=(*tags, 1))
    facts = movies.probe(path)
    assert (facts.primaries, facts.transfer) == tags
    transform = Transform(facts.colour(), scene_linear=True)
    codes = np.linspace(0.1, 0.9, 30, dtype=np.float32).reshape(10, 3)
    assert np.allclose(transform.to_plate(transform.to_engine(codes)), codes, atol=1e-3)


@pytest.mark.parametrize(("tags", "said"), [(UNSAID, "does not say"), ((9, 14, 9), "primaries 9, transfer 14")])
def test_a_movie_without_a_known_colour_space_asks_for_one(
    tmp_path: Path, tags: tuple[int, int, int], said: str
) -> None:
    facts = movies.probe(encode(tmp_path / "a.mkv", grey_frames(1), tags=tags))
    with pytest.raises(UnknownColour, match=said) as caught:
        facts.colour()
    assert "--colorspace" in caught.value.remedy
    assert caught.value.path == str(tmp_path / "a.mkv")


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv", ".avi"])
@pytest.mark.parametrize("share", [0.0, 0.05, 0.4, 0.8])
def test_a_file_that_is_cut_off_is_refused(tmp_path: Path, suffix: str, share: float) -> None:
    codec = {".mov": "prores_ks", ".mkv": "ffv1"}.get(suffix, "mpeg4")
    frames = [frame.reformat(format="yuv422p10le") if suffix == ".mov" else frame for frame in grey_frames(40)]
    path = encode(tmp_path / f"a{suffix}", frames, codec=codec)
    assert len(converted(path, tmp_path / "cache")) == 40
    raw = path.read_bytes()
    path.write_bytes(raw[: int(len(raw) * share)])
    with pytest.raises(BadImage) as caught:
        converted(path, tmp_path / "cache")
    assert caught.value.path == str(path)
    assert str(path) not in caught.value.message


def test_an_absurd_size_is_refused_before_it_is_decoded(tmp_path: Path) -> None:
    (tmp_path / "a.y4m").write_bytes(b"YUV4MPEG2 W60000 H2 F24:1 C420\nFRAME\n" + bytes(100))
    with pytest.raises(BadImage, match="60000 × 2, too large"):
        movies.probe(tmp_path / "a.y4m")


def test_what_is_no_movie_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.mov").write_bytes(b"#EXTM3U\n#EXTINF:1,\nfile:///etc/hostname\n")
    with pytest.raises(BadImage, match="cannot be used"):
        movies.probe(tmp_path / "a.mov")
    (tmp_path / "none.mov").unlink(missing_ok=True)
    with pytest.raises(BadImage, match="no such file"):
        movies.probe(tmp_path / "none.mov")
    with av.open(str(tmp_path / "sound.mp4"), "w") as container:
        stream = container.add_stream("aac", rate=48_000)
        sound = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        sound.sample_rate = 48_000
        container.mux(stream.encode(sound))
        container.mux(stream.encode())
    with pytest.raises(BadImage, match="no picture"):
        movies.probe(tmp_path / "sound.mp4")


def test_movies_are_told_by_their_suffix() -> None:
    assert movies.is_movie(Path("/a/b.MOV"))
    assert not movies.is_movie(Path("/a/b.exr"))
    assert not movies.is_movie(Path("/a/mov"))
