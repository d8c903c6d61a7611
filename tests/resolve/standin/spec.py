"""The contract: classes, calls, literals and dictionaries, read from the repaired stub."""

from __future__ import annotations

import ast
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

PLAIN = {"str": str, "int": int, "bool": bool, "float": float}
PLAIN_TYPES = frozenset({str, int, bool, float, type(None)})
"""Of values whose type can be told once and for all; a world is asked the same a million times."""


@dataclass(frozen=True)
class Signature:
    """One way to make a call."""

    parameters: tuple[ast.expr, ...]
    needed: int
    returns: ast.expr
    more: ast.expr | None = None
    """Of `*args`."""


@dataclass
class Contract:
    """All that is documented."""

    calls: dict[str, dict[str, list[Signature]]] = field(default_factory=dict)
    fields: dict[str, dict[str, ast.expr]] = field(default_factory=dict)
    aliases: dict[str, ast.expr] = field(default_factory=dict)
    dicts: dict[str, tuple[dict[str, ast.expr], bool]] = field(default_factory=dict)

    _known: dict[tuple[ast.expr, type, Any], bool] = field(default_factory=dict, repr=False)

    def __deepcopy__(self, memo: object) -> Contract:
        return self

    def accepts(self, kind: ast.expr, value: Any, class_of: Any) -> bool:
        """Whether a value is of a type. class_of: the API class of an object, or None. A bool is no int."""
        if type(value) not in PLAIN_TYPES:
            return self._accepts(kind, value, class_of)
        key = kind, type(value), value
        if key not in self._known:
            self._known[key] = self._accepts(kind, value, class_of)
        return self._known[key]

    def _accepts(self, kind: ast.expr, value: Any, class_of: Any) -> bool:
        if isinstance(kind, ast.BinOp):
            return self.accepts(kind.left, value, class_of) or self.accepts(kind.right, value, class_of)
        if isinstance(kind, ast.Constant):
            return value is None
        if isinstance(kind, ast.Subscript):
            return self._accepts_generic(kind, value, class_of)
        name = _name(kind)
        if name in ("Any", "object"):
            return True
        if name in self.aliases:
            return self.accepts(self.aliases[name], value, class_of)
        if name in self.dicts:
            return self._accepts_dict(name, value, class_of)
        if name in PLAIN:
            if isinstance(value, bool) or name == "bool":
                return isinstance(value, bool) and name == "bool"
            return isinstance(value, (int, float)) if name == "float" else isinstance(value, PLAIN[name])
        return class_of(value) == name

    def _accepts_generic(self, kind: ast.Subscript, value: Any, class_of: Any) -> bool:
        name = _name(kind.value)
        inner = kind.slice.elts if isinstance(kind.slice, ast.Tuple) else [kind.slice]
        if name == "Literal":
            return any(type(value) is type(each) and value == each for each in map(ast.literal_eval, inner))
        if name == "NotRequired":
            return self.accepts(inner[0], value, class_of)
        if name == "list":
            return isinstance(value, list) and all(self.accepts(inner[0], each, class_of) for each in value)
        if name == "tuple":
            pairs = zip(inner, value) if isinstance(value, tuple) and len(value) == len(inner) else [(None, None)]
            return all(part is not None and self.accepts(part, each, class_of) for part, each in pairs)
        return isinstance(value, dict) and all(
            self.accepts(inner[0], key, class_of) and self.accepts(inner[1], each, class_of)
            for key, each in value.items()
        )

    def _accepts_dict(self, name: str, value: Any, class_of: Any) -> bool:
        kinds, is_total = self.dicts[name]
        if not isinstance(value, dict) or set(value) - set(kinds):
            return False
        needed = {key for key, kind in kinds.items() if is_total and not _name(kind).startswith("NotRequired")}
        return not needed - set(value) and all(self.accepts(kinds[key], each, class_of) for key, each in value.items())


_NAMES: dict[ast.expr, str] = {}


def _name(kind: ast.expr) -> str:
    if kind not in _NAMES:
        _NAMES[kind] = ast.unparse(kind)
    return _NAMES[kind]


def read_contract(path: Path) -> Contract:
    """The contract of a stub file."""
    contract = Contract()
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            _read_alias(contract, node.targets[0].id, node.value)
        elif isinstance(node, ast.ClassDef):
            _read_class(contract, node)
    return contract


def _read_alias(contract: Contract, name: str, value: ast.expr) -> None:
    if isinstance(value, ast.Call):  # TypedDict("Name", {"in": int})
        table = value.args[1]
        assert isinstance(table, ast.Dict)
        keys = [ast.literal_eval(key) for key in table.keys if key is not None]
        contract.dicts[name] = dict(zip(keys, table.values)), True
    else:
        contract.aliases[name] = value


def _read_class(contract: Contract, node: ast.ClassDef) -> None:
    kinds = {
        part.target.id: part.annotation
        for part in node.body
        if isinstance(part, ast.AnnAssign) and isinstance(part.target, ast.Name)
    }
    if any(ast.unparse(base) == "TypedDict" for base in node.bases):
        contract.dicts[node.name] = kinds, not node.keywords
        return
    contract.fields[node.name] = kinds
    calls = contract.calls.setdefault(node.name, {})
    for part in node.body:
        if isinstance(part, ast.FunctionDef):
            kinds_of = tuple(argument.annotation for argument in part.args.args[1:] if argument.annotation)
            more = part.args.vararg.annotation if part.args.vararg else None
            assert part.returns is not None
            needed = len(kinds_of) - len(part.args.defaults)
            calls.setdefault(part.name, []).append(Signature(kinds_of, needed, part.returns, more))
