"""What the daemon can refuse before anything is queued, without opening a file. The rest the worker finds out."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from secondtake.errors import BadInput, UsageError
from secondtake.messages import FixRequest
from secondtake_daemon.engines.catalogue import Catalogue
from secondtake_daemon.roots import refuse_strange, require_inside

__all__ = ["check"]

_JOB = re.compile(r"[0-9a-f]{32}")
_SHOT = re.compile(r"\w(?:[\w .-]{0,98}\w)?")
_TAKE = re.compile(r"[0-9a-z]{1,64}")
_RESERVED = re.compile(r"(?:con|prn|aux|nul|com\d|lpt\d)(?:\..*)?", re.IGNORECASE)
_PATH_BYTES = 4096


def check(request: FixRequest, *, roots: Sequence[str], is_remote: bool, catalogue: Catalogue) -> None:
    """Raise the typed reason why this request cannot be queued.

    UsageError: job id, shot name, relative path, unknown option. NoSuchEngine: no such engine, or it cannot do the
    operation. BadInput: a device, a path on another machine, or one outside the roots, after symbolic links are
    followed. For a sequence the folder and the name are checked, each frame only by the worker that opens it.
    """
    if not _JOB.fullmatch(request.job):
        raise UsageError("A job id is 32 hex digits in lower case", remedy="Use uuid4().hex")
    if not _SHOT.fullmatch(request.shot) or _RESERVED.fullmatch(request.shot):
        raise UsageError(
            f"'{request.shot[:100]}' cannot be a shot's name, because files are named after it",
            remedy="Use letters, digits, '_', '-' and '.', at most 100, beginning and ending with a letter or digit",
        )
    for take in filter(None, (request.parent, request.revises)):
        if not _TAKE.fullmatch(take):
            raise UsageError(f"'{take[:100]}' is no id of a take", remedy="Give the id that take.json names")
    catalogue.check_request(request)
    if is_remote and not roots:
        raise BadInput(
            "The daemon takes no files from clients over tcp, because no roots are configured",
            remedy="Set 'roots' in the daemon's settings to the folders they may use",
        )
    resolved_roots = [Path(root).resolve() for root in roots]
    for path in _paths(request):
        _check_path(path, resolved_roots)


def _paths(request: FixRequest) -> Iterator[str]:
    yield request.out
    yield from filter(None, (request.plate, request.matte, request.control))
    yield from (reference.path for reference in request.references)
    if request.motion:
        yield request.motion
    if request.ocio and "://" not in request.ocio:  # else it names a built-in configuration, as ocio://default
        yield request.ocio


def _check_path(path: str, roots: Sequence[Path]) -> None:
    refuse_strange(path[:_PATH_BYTES], is_bound=bool(roots))
    if not Path(path).is_absolute() or "\0" in path or len(os.fsencode(path)) > _PATH_BYTES:
        raise UsageError(
            "A path in a request must be absolute and sound", remedy="Give the whole path", path=path[:_PATH_BYTES]
        )
    require_inside(Path(path), roots)
