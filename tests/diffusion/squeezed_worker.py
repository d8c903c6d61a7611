"""A real worker whose simulated GPU has no room for a rendering of the whole canvas: `squeezed_worker.py MARKER …`."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from secondtake_daemon import worker

_MOST_PX = 2500


def main() -> None:
    """Note that it began, then be a worker."""
    marker = Path(sys.argv.pop(1))
    with marker.open("a") as file:
        file.write(f"{os.getpid()}\n")
    run = worker._run

    def squeezed(*given: Any) -> None:
        squeeze()
        run(*given)

    worker._run = squeezed
    worker.main()


def squeeze() -> None:
    """Behind the fence, where image libraries may load."""
    sys.path.insert(0, str(Path(__file__).parent))
    import pytest
    from pressure import Pressure

    gpu = Pressure(pytest.MonkeyPatch())
    gpu.fails = lambda layout, run: gpu.area_px > _MOST_PX


if __name__ == "__main__":
    main()
