"""What a test hands to the plugin in place of Resolve's objects: every call is held against the contract.

In: an unknown name, a keyword, a wrong number of arguments, a wrong literal, key or class is `Undocumented`.
Out: an answer that the API could not give is `Infidelity` of the stand-in. What is newer than the simulated version
reads None and is missing from `dir`, while `hasattr` says True, as in Resolve. Faults are put in by number or by name.
"""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import Any

from .spec import PLAIN_TYPES, Contract, Signature

SINCE = {
    ("Resolve", "IsStudio"): (21, 1, 0),
    ("Timeline", "GetSelectedClips"): (21, 0, 4),
    ("Timeline", "GetMarkInOut"): (20, 0, 0),
    ("Timeline", "SetMarkInOut"): (20, 0, 0),
    ("Timeline", "ClearMarkInOut"): (20, 0, 0),
    ("TimelineItem", "GetType"): (21, 1, 0),
    ("TimelineItem", "GetSpeed"): (21, 1, 0),
    ("TimelineItem", "GetSourceStartTime"): (20, 0, 0),
    ("TimelineItem", "GetSourceEndTime"): (20, 0, 0),
    ("TimelineItem", "GetTrackTypeAndIndex"): (19, 1, 0),
}
"""Calls that older versions lack. Where it is not documented since when, the later guess."""


class Undocumented(BaseException):
    """Not to be caught by accident. The plugin did what the API does not document."""


class Infidelity(BaseException):
    """The stand-in answered what the API could not."""


class Dead(RuntimeError):
    """What a call raises when Resolve is busy or gone."""


Fault = Callable[[int, str], str]
"""Gets the number of a call from 0 and `Class.Name`; answers "", "silent", "raise", or of a write that answers a bool
"lies" (it says True and does nothing) or "shy" (it is done and says None, as some builds do)."""


class Guard:
    """Hands out proxies."""

    def __init__(self, contract: Contract, version: tuple[int, int, int]) -> None:
        self.contract, self.version = contract, version
        self.log: list[str] = []
        self.fault: Fault = lambda number, name: ""
        self.before: Callable[[str], None] = lambda name: None
        """Called before each call: the artist, who goes on meanwhile."""

    def wrap(self, value: Any) -> Any:
        """A model's object as its proxy, also inside lists and dictionaries."""
        if type(value) in PLAIN_TYPES:
            return value
        if isinstance(value, (list, tuple)):
            return type(value)(self.wrap(each) for each in value)
        if isinstance(value, dict):
            return {key: self.wrap(each) for key, each in value.items()}
        return Proxy(self, value) if self.class_of(value) else value

    def unwrap(self, value: Any) -> Any:
        """The other way."""
        if type(value) in PLAIN_TYPES:
            return value
        if isinstance(value, list):
            return [self.unwrap(each) for each in value]
        if isinstance(value, dict):
            return {key: self.unwrap(each) for key, each in value.items()}
        return object.__getattribute__(value, "_model") if isinstance(value, Proxy) else value

    def class_of(self, value: Any) -> str | None:
        """The API class of a model's object."""
        return getattr(type(value), "API", None)

    def call(self, model: Any, owner: str, name: str, arguments: tuple[Any, ...]) -> Any:
        """One call, held against the contract on its way in and out."""
        self.before(f"{owner}.{name}")
        plain = tuple(self.unwrap(each) for each in arguments)
        signatures = [each for each in self.contract.calls[owner][name] if self._fits(each, arguments)]
        if not signatures:
            raise Undocumented(f"{owner}.{name}{arguments!r}")
        number = len(self.log)
        self.log.append(f"{owner}.{name}")
        fault = self.fault(number, f"{owner}.{name}")
        if fault == "lies":
            return True
        if fault and fault != "shy":
            return _failure(signatures[0].returns, fault)
        method = getattr(model, name, None)
        if method is None:
            raise NotImplementedError(f"{owner}.{name} is documented and not modelled")
        answer = method(*plain)
        if fault == "shy":
            return None
        if not self.contract.accepts(signatures[0].returns, answer, self.class_of):
            raise Infidelity(f"{owner}.{name} answered {answer!r}")
        return self.wrap(answer)

    def is_silent_write(self, called: str) -> bool:
        """Whether a call of the log writes, and all it says of that is True or False."""
        owner, _, name = called.partition(".")
        returns = {ast.unparse(each.returns) for each in self.contract.calls[owner][name]}
        return returns == {"bool"} and not name.startswith(("Get", "Is"))

    def _fits(self, signature: Signature, arguments: tuple[Any, ...]) -> bool:
        kinds = signature.parameters
        if signature.more is not None:
            kinds = kinds + (signature.more,) * max(len(arguments) - len(kinds), 0)
        if not signature.needed <= len(arguments) <= len(kinds):
            return False

        def class_of(value: Any) -> str | None:
            return self.class_of(self.unwrap(value)) if isinstance(value, Proxy) else None

        return all(self.contract.accepts(kind, each, class_of) for kind, each in zip(kinds, arguments))


class Proxy:
    """One of Resolve's objects. `hasattr` is true of everything, `dir` is honest."""

    def __init__(self, guard: Guard, model: Any) -> None:
        object.__setattr__(self, "_guard", guard)
        object.__setattr__(self, "_model", model)

    def __getattr__(self, name: str) -> Any:
        guard: Guard = object.__getattribute__(self, "_guard")
        model = object.__getattribute__(self, "_model")
        owner = guard.class_of(model)
        assert owner is not None
        if name in guard.contract.fields[owner]:
            return guard.wrap(getattr(model, name))
        if name not in guard.contract.calls[owner]:
            raise Undocumented(f"{owner} has no {name}")
        if SINCE.get((owner, name), (0, 0, 0)) > guard.version:
            return None

        def call(*arguments: Any, **keywords: Any) -> Any:
            if keywords:
                raise Undocumented(f"{owner}.{name} takes no keywords, and got {', '.join(keywords)}")
            return guard.call(model, owner, name, arguments)

        return call

    def __setattr__(self, name: str, value: Any) -> None:
        raise Undocumented(f"{name} cannot be set")

    def __dir__(self) -> list[str]:
        guard: Guard = object.__getattribute__(self, "_guard")
        owner = guard.class_of(object.__getattribute__(self, "_model"))
        assert owner is not None
        return [name for name in guard.contract.calls[owner] if SINCE.get((owner, name), (0, 0, 0)) <= guard.version]

    def __eq__(self, other: object) -> bool:
        raise Undocumented("objects of Resolve are compared by their ids")

    __hash__ = None  # type: ignore[assignment]


def _failure(returns: ast.expr, fault: str) -> Any:
    """How a call of this type fails: False, None, an empty list, an empty text; else it raises."""
    text = ast.unparse(returns)
    if fault == "raise":
        raise Dead("Resolve is busy")
    if text == "bool":
        return False
    if text.endswith("None"):
        return None
    if text.startswith("list["):
        return []
    if text == "str":
        return ""
    raise Dead("Resolve is busy")
