"""Prompts as their encoder reads them, kept: in memory for the job, and as safetensors by what was read.

The encoder is the largest part of many models (13 GB for Wan), is used for a second, and stands in the way after. So it
is loaded alone, used and dropped, and not loaded at all for words that were read before.
"""

from __future__ import annotations

import importlib
from collections import OrderedDict
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
from blake3 import blake3

from secondtake_daemon.store.io import swap_file
from secondtake_daemon.store.keys import key_of

__all__ = ["Prompt", "Prompts"]

Tensors = Mapping[str, Any]

_FOLDER = "prompts"
_MOST_HELD = 4
_MOST_FILES = 128
_MOST_FILE_BYTES = 32 << 20
"""Of one prompt; LTX-2 reads a prompt into 400 MB, which is read again sooner than loaded."""
_DIGEST = "blake3"


class Prompt(msgspec.Struct, frozen=True, kw_only=True):
    """What is read, and by what: all that the tensors depend on."""

    encoder: str
    """Digest of the files of the text encoder and its tokenizer."""
    pipeline: str
    machine: str
    """Device, and libraries that compute on it."""
    dtype: str
    words: str
    tokens: int

    @property
    def key(self) -> str:
        """Of its file."""
        return key_of(self)


class Prompts:
    """folder: for what engines found out; None keeps nothing on disk."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder / _FOLDER if folder is not None else None
        self._held: OrderedDict[str, Tensors] = OrderedDict()

    def find(self, prompt: Prompt) -> Tensors | None:
        """What was read before, on the CPU; None if it has to be read, also where a file is spoiled."""
        held = self._held.get(prompt.key)
        if held is None and (held := self._from_disk(prompt.key)) is not None:
            self._hold(prompt.key, held)
        return held

    def read(self, prompt: Prompt, encode: Callable[[], Tensors]) -> Tensors:
        """What was read before, or what `encode` reads now, on the CPU."""
        found = self.find(prompt)
        if found is None:
            found = {name: tensor.detach().cpu().contiguous() for name, tensor in encode().items()}
            self._hold(prompt.key, found)
            self._to_disk(prompt.key, found)
        return found

    def _hold(self, key: str, tensors: Tensors) -> None:
        self._held[key] = tensors
        while len(self._held) > _MOST_HELD:
            self._held.popitem(last=False)

    def _from_disk(self, key: str) -> Tensors | None:
        if self._folder is None:
            return None
        safetensors = importlib.import_module("safetensors")
        path = self._folder / f"{key}.safetensors"
        try:
            if path.stat().st_size > 2 * _MOST_FILE_BYTES:
                return None
            with safetensors.safe_open(str(path), framework="pt") as file:
                said = (file.metadata() or {}).get(_DIGEST)
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 — it is no mapping
        except (OSError, ValueError, RuntimeError, safetensors.SafetensorError):
            return None
        return tensors if said == _digest(tensors) else None

    def _to_disk(self, key: str, tensors: Tensors) -> None:
        if self._folder is None or sum(tensor.nbytes for tensor in tensors.values()) > _MOST_FILE_BYTES:
            return
        raw = importlib.import_module("safetensors.torch").save(dict(tensors), metadata={_DIGEST: _digest(tensors)})
        with suppress(OSError):  # it is read again next time
            self._folder.mkdir(parents=True, exist_ok=True)
            swap_file(self._folder / f"{key}.safetensors", lambda part: part.write_bytes(raw))
            files = sorted(self._folder.glob("*.safetensors"), key=lambda file: file.stat().st_mtime)
            for old in files[:-_MOST_FILES]:
                old.unlink(missing_ok=True)


def _digest(tensors: Tensors) -> str:
    torch = importlib.import_module("torch")
    hasher = blake3()
    for name in sorted(tensors):
        tensor = tensors[name]
        hasher.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        hasher.update(tensor.contiguous().view(-1).view(torch.uint8).numpy().tobytes())
    return hasher.hexdigest()
