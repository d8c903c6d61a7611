"""The most memory that a model's tensors take, without it: every allocation of a run with weightless tensors."""

# ruff: noqa: ANN401 — what comes from torch and diffusers has no type here
from __future__ import annotations

import weakref
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

__all__ = ["Live"]


class Live(TorchDispatchMode):
    """While inside, counts the bytes of all storages that are alive; those of the module's own weights do not count.

    Used under `FakeTensorMode`. What libraries take for themselves (workspaces, fragments) is not seen.
    """

    def __init__(self, module: torch.nn.Module) -> None:
        super().__init__()
        self.peak_bytes = 0
        self._now_bytes = 0
        self._seen = {each.untyped_storage()._cdata for each in (*module.parameters(), *module.buffers())}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        for tensor in tree_leaves(out):
            if isinstance(tensor, torch.Tensor):
                self._count(tensor.untyped_storage())
        return out

    def _count(self, storage: Any) -> None:
        key, size = storage._cdata, storage.nbytes()
        if key in self._seen:
            return
        self._seen.add(key)
        self._now_bytes += size
        self.peak_bytes = max(self.peak_bytes, self._now_bytes)
        weakref.finalize(storage, self._gone, key, size)

    def _gone(self, key: int, size: int) -> None:
        self._seen.discard(key)
        self._now_bytes -= size
