"""What stands beside a take: rendered plates, mattes, pictures. Removed with it; nothing of Blender."""

from __future__ import annotations

import json
import os
from collections.abc import Generator, Iterable
from contextlib import suppress
from pathlib import Path

from .chores import Chore

__all__ = ["clear_beside", "is_named", "make_work_folder", "rendered_folders"]

_MANIFEST = "take.json"
_RENDERED = ".render"
_OURS = ".secondtake"
"""In each folder that was made here: an artist may have a `show.render` of their own, with the plates in it."""


def make_work_folder(folder: Path) -> None:
    """Make a folder for one rendering, inside the one that is the job's. Raises OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder.parent / _OURS).touch()


def rendered_folders(paths: Iterable[str]) -> list[str]:
    """The folders of a background Blender that files lie in: `TAKE.render`."""
    found = [parent for path in paths if path for parent in Path(path).parents if parent.suffix == _RENDERED]
    return [str(folder) for folder in dict.fromkeys(found)]


def clear_beside(folder: str, *, used: Iterable[str], others: Iterable[str]) -> Chore[None]:
    """Remove, step by step, `FOLDER.compare` and `FOLDER.render`, and the folders `used` that the take was made from.

    What another take was made from stays, what belongs to a take that is there, and what was not made by us. `others`
    are folders of takes that the .blend knows; those that lie beside `folder` are looked at besides.
    """
    known, rendered = [Path(other) for other in others], [Path(one) for one in (f"{folder}{_RENDERED}", *used)]
    return Chore(_clear(Path(folder), dict.fromkeys(rendered), known))


def is_named(rendered: Path, manifest: Path) -> bool:
    """True if a take's manifest names a file in the folder `rendered`; one that cannot be read might."""
    try:
        text = manifest.read_text(encoding="utf-8")
    except FileNotFoundError:
        return False
    except (OSError, ValueError):
        return True
    return json.dumps(str(rendered / "_"), ensure_ascii=False)[1:-2] in text


def _clear(folder: Path, rendered: Iterable[Path], others: list[Path]) -> Generator[None, None, None]:
    yield from _remove(Path(f"{folder}.compare"))
    manifests = {*folder.parent.glob(f"*/{_MANIFEST}"), *(other / _MANIFEST for other in others)}
    for each in rendered:
        if not (each / _OURS).is_file() or (each.with_suffix("") / _MANIFEST).is_file():
            continue
        for manifest in manifests:
            yield
            if is_named(each, manifest):
                break
        else:
            yield from _remove(each)


def _remove(folder: Path) -> Generator[None, None, None]:
    """A folder with all that is in it, file by file; what cannot be removed stays."""
    for root, folders, files in os.walk(folder, topdown=False):
        for name in (*files, *folders):
            path = Path(root, name)
            with suppress(OSError):
                path.unlink() if name in files or path.is_symlink() else path.rmdir()
            yield
    with suppress(OSError):
        folder.rmdir()
