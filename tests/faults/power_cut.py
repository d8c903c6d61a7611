"""What a disk may hold after a power cut: every legal state, from a record of what was done to it.

The idea is ALICE's (Pillai et al., "All File Systems Are Not Created Equal", OSDI 2014). The model of a file system is
weaker than any in use: data is durable up to the last fsync of its file, and of what came later there may be nothing,
a half, all, or zeros in its place. A change of a name is durable only after an fsync of its folder; those of one folder
happen in order, those of several in any, and any may overtake data that was not synced.
"""

from __future__ import annotations

import itertools
import random
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from blake3 import blake3
from scenarios import Tree

__all__ = ["Recorder", "State", "Step", "states"]

_Thing = TypeVar("_Thing")

_ROOT = ""
_VOLATILE = ("cache/patches/", "cache/jobs/")


class Step(msgspec.Struct, frozen=True):
    """One recorded call. Paths are relative to the root; data: the file's bytes after a write, or what was added."""

    name: str
    path: str
    target: str = ""
    data: bytes = b""


class Recorder:
    """Notes every call below a root, in order. To be given to `calls.put_around`."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._lock = threading.Lock()
        self.steps: list[Step] = []
        self.calls = 0

    def __call__(self, name: str, go: Callable[[], Any], arguments: tuple[Any, ...]) -> object:
        with self._lock:
            result = go()
            self.steps.append(self._step(name, *arguments))
        return result

    def _step(self, name: str, path: Path, other: object = None) -> Step:
        if name == "write":
            return Step(name, self._relative(path), data=path.read_bytes())
        if name == "append":
            assert isinstance(other, bytes)
            return Step(name, self._relative(path), data=other)
        return Step(name, self._relative(path), self._relative(other) if isinstance(other, Path) else "")

    def _relative(self, path: Path) -> str:
        return "" if path == self._root else path.relative_to(self._root).as_posix()


@dataclass
class _Data:
    """A file's bytes: those that are durable, and those that were written."""

    durable: bytes = b""
    written: bytes = b""

    def may_be(self) -> list[bytes]:
        if self.durable == self.written:
            return [self.written]
        kept = self.durable if self.written.startswith(self.durable) else b""
        new = self.written[len(kept) :]
        return list(
            dict.fromkeys([self.durable, kept, kept + new[: len(new) // 2], self.written, kept + bytes(len(new))])
        )


_Node = int
_Change = tuple[tuple[str, _Node | None], ...]
"""Names that are set, or removed, in one step."""


@dataclass
class _Folder:
    """Names that are durable, and changes that are not yet."""

    durable: dict[str, _Node] = field(default_factory=dict)
    changes: list[_Change] = field(default_factory=list)

    def names(self, count: int | None = None) -> dict[str, _Node]:
        """After the first so many changes; None is all."""
        names = dict(self.durable)
        for change in self.changes[:count]:
            for name, node in change:
                if node is None:
                    names.pop(name, None)
                else:
                    names[name] = node
        return names


class _Disk:
    """The model. dice: where several things may be, one of them is drawn."""

    def __init__(self, tree: Tree, dice: random.Random | None = None) -> None:
        self._dice = dice
        self._next = itertools.count(1)
        self.folders: dict[_Node, _Folder] = {0: _Folder()}
        self.files: dict[_Node, _Data] = {}
        for path, data in tree.items():  # sorted: a folder comes before what is in it
            parent, name = self._parent(path)
            node = next(self._next)
            parent.durable[name] = node
            if data is None:
                self.folders[node] = _Folder()
            else:
                self.files[node] = _Data(data, data)

    def apply(self, step: Step) -> None:
        getattr(self, f"_{step.name}")(step)

    def _write(self, step: Step) -> None:
        self._file(step.path).written = step.data

    def _append(self, step: Step) -> None:
        self._file(step.path).written += step.data

    def _sync_file(self, step: Step) -> None:
        data = self._file(step.path)
        data.durable = data.written

    def _sync_folder(self, step: Step) -> None:
        folder = self._folder(step.path)
        folder.durable, folder.changes = folder.names(), []

    def _replace(self, step: Step) -> None:
        folder, name = self._parent(step.path)
        other, new = self._parent(step.target)
        assert folder is other, "the model knows no move between folders"
        folder.changes.append(((new, folder.names()[name]), (name, None)))

    def _link(self, step: Step) -> None:
        folder, name = self._parent(step.path)
        folder.changes.append(((step.target.rpartition("/")[2], folder.names()[name]),))

    def _unlink(self, step: Step) -> None:
        folder, name = self._parent(step.path)
        if name in folder.names():
            folder.changes.append(((name, None),))

    _remove_folder = _unlink

    def _make_folder(self, step: Step) -> None:
        folder, name = self._parent(step.path)
        if name not in folder.names():
            node = next(self._next)
            self.folders[node] = _Folder()
            folder.changes.append(((name, node),))

    def _parent(self, path: str) -> tuple[_Folder, str]:
        above, _, name = path.rpartition("/")
        return self._folder(above), name

    def _folder(self, path: str) -> _Folder:
        """One that was made without a call that we see is there for good: only the cache has such."""
        folder = self.folders[0]
        for name in filter(None, path.split("/")):
            names = folder.names()
            if name not in names:
                node = folder.durable[name] = next(self._next)
                self.folders[node] = _Folder()
                names[name] = node
            folder = self.folders[names[name]]
        return folder

    def _file(self, path: str) -> _Data:
        folder, name = self._parent(path)
        names = folder.names()
        if name not in names:
            node = next(self._next)
            self.files[node] = _Data()
            folder.changes.append(((name, node),))
            names[name] = node
        return self.files[names[name]]

    def may_be(self, *, cache_too: bool) -> Iterator[Tree]:
        """Everything the disk may hold after a cut now."""
        for cache in self._some((None,) if cache_too else ("nothing", "all", "torn")):
            yield from self._below(0, _ROOT, cache)

    def _some(self, possible: Sequence[_Thing]) -> Sequence[_Thing]:
        return possible if self._dice is None else [self._dice.choice(possible)]

    def _below(self, node: _Node, path: str, cache: str | None) -> Iterator[Tree]:
        folder = self.folders[node]
        is_fixed = cache is not None and f"{path}/".startswith(_VOLATILE)
        counts = [0 if cache == "nothing" else len(folder.changes)] if is_fixed else range(len(folder.changes) + 1)
        for count in self._some(counts):
            names = folder.names(count).items()
            parts = [list(self._child(child, f"{path}/{name}".lstrip("/"), cache)) for name, child in names]
            for choice in itertools.product(*parts):
                whole: Tree = {}
                for part in choice:
                    whole.update(part)
                yield whole

    def _child(self, node: _Node, path: str, cache: str | None) -> Iterator[Tree]:
        if node in self.folders:
            for below in self._below(node, path, cache):
                yield {path: None, **below}
            return
        data = self.files[node]
        if cache is not None and path.startswith(_VOLATILE):
            yield {path: data.written if cache != "torn" else data.written[: len(data.written) // 2]}
            return
        for content in self._some(data.may_be()):
            yield {path: content}


@dataclass(frozen=True)
class State:
    """at: after so many steps. is_acknowledged: after the last one."""

    tree: Tree
    at: int
    is_acknowledged: bool


def states(
    before: Tree, steps: list[Step], *, cache_too: bool = False, draw: int = 0, seed: int = 0
) -> Iterator[State]:
    """Every state that a cut may leave, each once. before: what was durable at the beginning.

    cache_too: of the cache also everything; else it is lost, whole, or torn as one. draw: only so many after each
    step, at random; of a faulty program there may be too many.
    """
    disk, seen = _Disk(before, random.Random(seed) if draw else None), set[tuple[bytes, bool]]()
    for at in range(len(steps) + 1):
        if at:
            disk.apply(steps[at - 1])
        is_acknowledged = at == len(steps)
        for tree in itertools.chain.from_iterable(disk.may_be(cache_too=cache_too) for _ in range(draw or 1)):
            key = (blake3(msgspec.msgpack.encode(sorted(tree.items()))).digest(), is_acknowledged)
            if key not in seen:
                seen.add(key)
                yield State(tree, at, is_acknowledged)
