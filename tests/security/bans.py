"""What the product's code may not hold: whatever runs or loads code out of data. Read as a syntax tree, not as text."""

from __future__ import annotations

import ast
from collections.abc import Iterator

__all__ = ["banned"]

MODULES = {"pickle", "cPickle", "_pickle", "dill", "cloudpickle", "marshal", "shelve", "joblib"}
ATTRIBUTES = {"recv_pyobj", "send_pyobj", "unsafe_load", "full_load", "load_module"}
"""Whatever they are taken from."""
MEMBERS = {
    "torch": {"load"},
    "yaml": {"load", "load_all", "Loader", "UnsafeLoader"},
    "os": {"system", "popen"},
    "subprocess": {"getoutput", "getstatusoutput"},
    "builtins": {"eval", "exec", "compile", "__import__"},
    "pandas": {"read_pickle"},
}
CALLS = MEMBERS["builtins"]
KEYWORDS = {"trust_remote_code", "shell", "allow_pickle", "weights_only"}
"""Only as the constant that switches it off: False, but True for weights_only, and then there is no torch.load."""


def banned(source: str) -> list[str]:
    """What is found, with its line."""
    tree = ast.parse(source)
    names = _imported(tree)
    return [f"{line}: {what}" for node in ast.walk(tree) for line, what in _in_node(node, names)]


def _imported(tree: ast.AST) -> dict[str, str]:
    """Local name → module."""
    found = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                found[alias.asname or alias.name.split(".")[0]] = (
                    alias.name if alias.asname else alias.name.split(".")[0]
                )
    return found


def _in_node(node: ast.AST, names: dict[str, str]) -> Iterator[tuple[int, str]]:
    line = getattr(node, "lineno", 0)
    match node:
        case ast.Import(names=aliases):
            yield from ((line, alias.name) for alias in aliases if alias.name.split(".")[0] in MODULES)
        case ast.ImportFrom(module=str(module), names=aliases):
            if module.split(".")[0] in MODULES:
                yield line, module
            members = MEMBERS.get(module, set()) | ATTRIBUTES
            yield from ((line, f"{module}.{alias.name}") for alias in aliases if alias.name in members)
            if module == "builtins" and any(alias.name == "*" for alias in aliases):
                yield line, "builtins.*"
        case ast.Attribute(value=value, attr=attribute):
            owner = names.get(value.id, value.id) if isinstance(value, ast.Name) else ""
            if attribute in ATTRIBUTES or attribute in MEMBERS.get(owner, ()):
                yield line, f"{owner}.{attribute}"
        case ast.Call(func=ast.Name(id=name)) if name in CALLS:
            yield line, name
        case ast.keyword(arg=str(name), value=value) if name in KEYWORDS:
            off = name == "weights_only"
            if not (isinstance(value, ast.Constant) and value.value is off):
                yield value.lineno, f"{name}={ast.unparse(value)}"
        case ast.Call(func=ast.Name(id="getattr"), args=[_, ast.Constant(value=str(name)), *_]):
            if name in ATTRIBUTES | CALLS | MEMBERS["os"]:
                yield line, f"getattr {name}"
