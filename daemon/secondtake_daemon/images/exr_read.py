"""EXR samples to arrays, bit for bit and in the file's own types; only the rows that are asked for are decoded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from secondtake.boxes import Box
from secondtake.errors import BadImage
from secondtake_daemon.images.exr_codec import Plane, decode_bands
from secondtake_daemon.images.exr_layout import ExrFile

__all__ = ["Plane", "Planes", "read_planes"]


@dataclass(frozen=True, slots=True)
class Planes:
    """Decoded channels of one part, all over the same box."""

    box: Box
    """Pixel coordinates of the file; always the full width of the data window."""
    planes: Mapping[str, Plane]
    """(box.height, box.width) float16, float32 or uint32, C-contiguous, by channel name in file order."""

    def rows(self, first: int, end: int) -> Planes:
        """The same samples, rows first … end − 1 only; nothing is copied."""
        part = self.box._replace(y=first, height=end - first)
        index = part.within(self.box)
        return Planes(part, {name: plane[index] for name, plane in self.planes.items()})


def read_planes(
    file: ExrFile, *, part: int = 0, rows: tuple[int, int] | None = None, channels: Sequence[str] | None = None
) -> Planes:
    """Decode one part at full resolution. Thread-safe; the interpreter lock is free meanwhile.

    rows: the first, and one behind the last, in pixel coordinates, inside the data window. As rows are encoded in
    groups, more may come back, never less. channels: None is all. Raises BadImage if the pixels are damaged, if the
    file changed since it was inspected, or if a wanted channel is stored at a lower resolution.
    """
    found = file.parts[part]
    wanted = [channel for channel in found.channels if channels is None or channel.name in channels]
    if any(channel.is_subsampled for channel in wanted):
        raise BadImage(
            "The file has channels of a lower resolution (luma-chroma)", remedy="Save it as RGB", path=file.path
        )
    first, end = 0, found.bands
    if rows is not None and not any(channel.is_subsampled for channel in found.channels):
        top, bottom = rows[0] - found.data_window.y, rows[1] - found.data_window.y
        if not 0 <= top < bottom <= found.data_window.height:
            raise ValueError(f"rows {rows} are not inside {found.data_window}")
        first, end = top // found.chunk_rows, -(-bottom // found.chunk_rows)
    planes = decode_bands(file, found, first, end)
    return Planes(found.band_box(first, end), {channel.name: planes[channel.name] for channel in wanted})
