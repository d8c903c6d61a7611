"""What is asked of a hub, through huggingface_hub, which knows its address, tokens and proxies (HF_ENDPOINT, HF_TOKEN).

A file's bytes go into a file of ours that is gone on with: `snapshot_download` begins each file anew after a break,
and its threads cannot be interrupted.
"""

from __future__ import annotations

import importlib
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Protocol

from secondtake.errors import BadInput, NotFound, SecondTakeError, UsageError

__all__ = ["HubFile", "HubModel", "download", "model_on_hub"]

_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
_TIMEOUT_S = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class HubFile:
    """A file as the hub describes it."""

    path: str
    size_bytes: int
    sha256: str
    """"" for small files, which have `git_sha1` instead: of `blob <size>`, a zero byte, and the bytes."""
    git_sha1: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HubModel:
    """A model at one commit."""

    hub: str
    commit: str
    licence: str
    files: tuple[HubFile, ...]


class _Lfs(Protocol):
    sha256: str


class _Sibling(Protocol):
    """huggingface_hub's `RepoSibling`."""

    rfilename: str
    size: int | None
    blob_id: str | None
    lfs: _Lfs | None


def model_on_hub(hub: str, *, revision: str | None) -> HubModel:
    """Look a model up. Raises UsageError, NotFound, BadInput."""
    if not _ID.fullmatch(hub):
        raise UsageError(
            f"'{hub}' is no name on a hub", remedy="Write owner/name, as Wan-AI/Wan2.1-VACE-1.3B-diffusers"
        )
    with _said_plainly(hub, revision):
        found = _library("").HfApi().model_info(hub, revision=revision, files_metadata=True, timeout=_TIMEOUT_S)
    card = found.card_data or {}
    named = card.get("license_name") if card.get("license") == "other" else card.get("license")
    return HubModel(
        hub=hub,
        commit=str(found.sha),
        licence=str(named or ""),
        files=tuple(_file(each) for each in found.siblings or ()),
    )


def download(there: HubModel, file: HubFile, target: Path, step: Callable[[int], None]) -> None:
    """Append to target what it lacks. step: told the bytes it has. Raises BadInput, DiskError's cause (OSError)."""
    library, wire = _library(""), _library(".file_download")
    url = library.hf_hub_url(there.hub, file.path, revision=there.commit)
    headers = _library(".utils").build_hf_headers()
    with target.open("ab") as out, _said_plainly(there.hub, there.commit):
        if out.tell() > file.size_bytes:
            out.truncate(0)
        had = out.tell()
        wire.http_get(
            url,
            out,
            resume_size=had,
            headers=headers,
            expected_size=file.size_bytes,
            displayed_filename=file.path,
            tqdm_class=_bar(lambda: step(out.tell())),
        )


def _file(sibling: _Sibling) -> HubFile:
    return HubFile(
        path=sibling.rfilename,
        size_bytes=int(sibling.size or 0),
        sha256=sibling.lfs.sha256 if sibling.lfs else "",
        git_sha1=sibling.blob_id or "",
    )


def _bar(step: Callable[[], None]) -> type:
    """What huggingface_hub takes for a progress bar."""

    class Bar:
        def __init__(self, **_: object) -> None:
            step()

        def __enter__(self) -> Bar:
            return self

        def __exit__(self, *_: object) -> None:
            step()

        def update(self, _: int) -> None:
            step()

    return Bar


def _library(name: str) -> ModuleType:
    # The faster way of the hub can't be interrupted, and begins each file anew after a break.
    os.environ.setdefault("HF_HUB_DISABLE_XET", "1")
    try:
        importlib.import_module("huggingface_hub.utils").logging.set_verbosity_error()
        return importlib.import_module(f"huggingface_hub{name}")
    except ImportError as error:
        raise UsageError(
            "huggingface_hub is not installed, which fetches models", remedy="pip install 'secondtake[diffusion]'"
        ) from error


@contextmanager
def _said_plainly(hub: str, revision: str | None) -> Iterator[None]:
    """Turns what huggingface_hub and its network library raise into one sentence and a remedy."""
    errors = _library(".errors")
    network = errors.HfHubHTTPError.__bases__[0]
    try:
        yield
    except SecondTakeError:
        raise
    except errors.GatedRepoError as error:
        remedy = "Agree on its page there, then set HF_TOKEN to a token of yours"
        raise BadInput(f"{hub} wants you to agree to its terms first", remedy=remedy) from error
    except errors.RevisionNotFoundError as error:
        raise NotFound(f"{hub} has no revision '{revision}'", remedy="Its page lists its branches and tags") from error
    except errors.RepositoryNotFoundError as error:
        remedy = "Check its name; for one that is not public set HF_TOKEN"
        raise NotFound(f"There is no model {hub} on the hub", remedy=remedy) from error
    except errors.OfflineModeIsEnabled as error:
        raise BadInput("HF_HUB_OFFLINE forbids the use of the network", remedy="Unset it, or add a folder") from error
    except errors.HfHubHTTPError as error:
        raise BadInput(f"The hub answered with {error.response.status_code}", remedy=_AGAIN) from error
    except network as error:
        raise BadInput(f"The hub cannot be reached ({type(error).__name__})", remedy=_AGAIN) from error
    except OSError as error:
        if error.errno is not None:  # the disk's
            raise
        raise BadInput("The hub broke off in the middle of a file", remedy=_AGAIN) from error


_AGAIN = "Check the network and say it again: what was fetched is kept, and gone on with"
