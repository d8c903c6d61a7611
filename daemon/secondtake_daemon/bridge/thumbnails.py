"""A child of the bridge: makes a small picture of one frame of a take, as the display shows it.

stdin: a `ThumbnailTask` as JSON; stdout: `Written`, or `{"error": …}`.
"""

from __future__ import annotations

import sys
from pathlib import Path

import cv2
import msgspec
import numpy as np

from secondtake.errors import BadInput, DiskError, SecondTakeError
from secondtake_daemon.bridge.lines import failed, line_of
from secondtake_daemon.bridge.tasks import ThumbnailTask, Written
from secondtake_daemon.review.sides import open_pair
from secondtake_daemon.store.io import make_folders, replace_bytes

__all__ = ["write_thumbnail"]


def write_thumbnail(task: ThumbnailTask) -> Written:
    """Make it: PNG, as the configuration's display asks for, at most width_px wide. Raises BadInput, DiskError."""
    folder, path = Path(task.folder), Path(task.path)
    side = open_pair(folder, folder).a
    if task.frame not in side.files:
        raise BadInput(f"Take {side.label} has no frame {task.frame}", remedy="Ask for one that it has", path=folder)
    picture = side.show(side.read(task.frame)[1])
    height, width = picture.shape[:2]
    if width > task.width_px:
        size = task.width_px, max(round(height * task.width_px / width), 1)
        picture = np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8)
    written, data = cv2.imencode(".png", picture[..., ::-1])
    if not written:
        raise DiskError("The picture cannot be encoded", path=path)
    make_folders(path.parent, mode=0o700)
    replace_bytes(path, data.tobytes())
    return Written(path=str(path))


def main() -> None:
    """Run as a child of the bridge."""
    try:
        said = write_thumbnail(msgspec.json.decode(sys.stdin.buffer.read(), type=ThumbnailTask))
        sys.stdout.buffer.write(line_of(said))
    except SecondTakeError as error:
        sys.stdout.buffer.write(line_of(failed(None, error)))


if __name__ == "__main__":
    main()
