"""Resolve while it is busy: a dialog, an automatic backup or playback makes calls fail for a moment.

What reads is asked again. What writes is never simply repeated: if it raises, that is taken as one more silent failure,
and what is read afterwards judges it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from ..refusal import Refusal

__all__ = ["Steady", "sure"]

Thing = TypeVar("Thing")
_READS = ("Get", "Is", "Find")
_PAUSES_S = (0.05, 0.2, 1.0)
_LOOKS = 5


class Steady:
    """One of Resolve's objects, and through it all that it hands out. `dir` is the object's own."""

    def __init__(self, thing: Any, pause: Callable[[float], None]) -> None:  # noqa: ANN401 — untyped at run time
        self._thing, self._pause = thing, pause

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401
        found = getattr(self._thing, name)
        if not callable(found):
            return self._wrapped(found)

        def call(*arguments: Any) -> Any:  # noqa: ANN401
            plain = [_unwrapped(each) for each in arguments]
            answer = self._read(found, plain) if name.startswith(_READS) else _write(found, plain)
            return self._wrapped(answer)

        return call

    def __dir__(self) -> list[str]:
        return dir(self._thing)

    def _read(self, method: Callable[..., Any], arguments: list[Any]) -> Any:  # noqa: ANN401
        """None may be true and may be a failure: it is believed the second time."""
        for pause_s in (*_PAUSES_S, None):
            try:
                answer = method(*arguments)
                return method(*arguments) if answer is None else answer
            except Exception as error:  # noqa: PERF203 — that is what it is for
                if pause_s is None:
                    raise Refusal(
                        f"Resolve does not answer ({error})", remedy="Close any dialog of Resolve and try again"
                    ) from error
                self._pause(pause_s)
        return None

    def _wrapped(self, answer: Any) -> Any:  # noqa: ANN401
        if answer is None or isinstance(answer, (str, int, float)):
            return answer
        if isinstance(answer, (list, tuple)):
            return type(answer)(self._wrapped(each) for each in answer)
        if isinstance(answer, dict):
            return {key: self._wrapped(each) for key, each in answer.items()}
        return Steady(answer, self._pause)


def sure(read: Callable[[], Thing]) -> Thing:
    """What is read twice in a row alike. For what is put back, or compared with later. Raises Refusal."""
    last = read()
    for _ in range(_LOOKS):
        again = read()
        if again == last:
            return again
        last = again
    raise Refusal("Resolve answers differently each time", remedy="Wait until it is idle, and try again")


def _write(method: Callable[..., Any], arguments: list[Any]) -> Any:  # noqa: ANN401
    try:
        return method(*arguments)
    except Exception:  # noqa: BLE001 — whatever Resolve raises; what is read afterwards judges it
        return None


def _unwrapped(value: Any) -> Any:  # noqa: ANN401
    if isinstance(value, list):
        return [_unwrapped(each) for each in value]
    if isinstance(value, dict):
        return {key: _unwrapped(each) for key, each in value.items()}
    return value._thing if isinstance(value, Steady) else value
