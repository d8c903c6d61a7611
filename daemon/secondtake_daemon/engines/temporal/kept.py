"""A function whose latest values are kept."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from threading import Lock
from typing import Generic, TypeVar

__all__ = ["Kept"]

K = TypeVar("K")
V = TypeVar("V")


class Kept(Generic[K, V]):
    """Call it like the function. Thread-safe: a value that two threads want at once is made by one of them.

    make: may ask for other values, its own too, if no two of them ask for each other.
    most: how many values to keep, or how many of the size of this one.
    """

    def __init__(self, make: Callable[[K], V], *, most: int | Callable[[V], int]) -> None:
        self._make = make
        self._most = most
        self._values: OrderedDict[K, V] = OrderedDict()
        self._making: dict[K, Lock] = {}
        self._lock = Lock()

    def __call__(self, key: K) -> V:
        """The value, made now or before."""
        with self._lock:
            if key in self._values:
                return self._touched(key)
            making = self._making.setdefault(key, Lock())
        with making:
            with self._lock:
                if key in self._values:
                    return self._touched(key)
            value = self._make(key)
            with self._lock:
                self._keep(key, value)
                self._making.pop(key, None)
            return value

    def _touched(self, key: K) -> V:
        self._values.move_to_end(key)
        return self._values[key]

    def _keep(self, key: K, value: V) -> None:
        self._values[key] = value
        most = self._most(value) if callable(self._most) else self._most
        while len(self._values) > most:
            self._values.popitem(last=False)
