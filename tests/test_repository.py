"""What the whole repository promises about itself."""

from __future__ import annotations

import ast
import pkgutil
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

import secondtake
import secondtake_daemon.service
from secondtake import errors
from secondtake_daemon.settings import Settings

ROOT = Path(__file__).parents[1]
PACKAGES = ("shared", "daemon", "plugins", "installers")
PRODUCT = sorted(path for folder in PACKAGES for path in (ROOT / folder).rglob("*.py"))
ALL = sorted([*PRODUCT, *(ROOT / "tests").rglob("*.py")])
HEAVY = {"numpy", "cv2", "OpenEXR", "torch", "OpenImageIO", "PyOpenColorIO", "av"}
MOST_LINES = 500
MOST_FUNCTION_LINES = 60
FORBIDDEN = {
    "pickle": r"\bpickle\b",
    "torch.load": r"torch\.load\(",
    "recv_pyobj": r"recv_pyobj",
    "trust_remote_code": r"trust_remote_code\s*=\s*True",
    "shell": r"shell\s*=\s*True",
}


def test_there_is_something_to_look_at() -> None:
    assert len(PRODUCT) > 50


def test_no_file_is_long() -> None:
    long = {
        str(path.relative_to(ROOT)): lines for path in ALL if (lines := len(path.read_text().splitlines())) > MOST_LINES
    }
    assert long == {}


def test_what_tests_import_by_name_has_a_name_of_its_own() -> None:
    """One process runs tests of many folders, and the first `shots` it imported would be everybody's."""
    helpers = [path for path in (ROOT / "tests").rglob("*.py") if not path.name.startswith(("test_", "__", "conftest"))]
    names = Counter(path.stem for path in helpers)
    assert [name for name, times in names.items() if times > 1] == []


def test_no_function_is_long() -> None:
    long = []
    for path in PRODUCT:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                lines = (node.end_lineno or node.lineno) - node.lineno + 1
                if lines > MOST_FUNCTION_LINES:
                    long.append(f"{path.relative_to(ROOT)}:{node.lineno} {node.name} has {lines} lines")
    assert long == []


@pytest.mark.parametrize("word", FORBIDDEN)
def test_product_code_has_no(word: str) -> None:
    pattern = re.compile(FORBIDDEN[word])
    found = [str(path.relative_to(ROOT)) for path in PRODUCT if pattern.search(_code_only(path))]
    assert found == []


def test_nothing_shared_is_heavy() -> None:
    modules = ["secondtake", *_modules(secondtake.__path__, "secondtake.")]
    assert len(modules) > 5
    assert _loaded_by(modules) == set()


def test_the_daemon_process_is_light() -> None:
    modules = _modules(secondtake_daemon.service.__path__, "secondtake_daemon.service.")
    assert len(modules) > 5
    assert _loaded_by(modules) == set()


def test_the_command_line_starts_light() -> None:
    code = "import secondtake_daemon.cli.app as app; app.run(['--help'])"
    assert _loaded_after(code) == set()


def test_every_error_code_and_exit_status_is_documented() -> None:
    text = (ROOT / "docs" / "cli.md").read_text()
    rows = dict(re.findall(r"^\| `(\w+)` \| (\d+) \|", text, re.MULTILINE))
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, Exception)]
    assert rows == {kind.code: str(kind.exit_status) for kind in kinds if kind is not errors.SecondTakeError}


def test_every_setting_is_documented() -> None:
    text = (ROOT / "docs" / "daemon.md").read_text()
    assert [name for name in Settings.__struct_fields__ if f"`{name}`" not in text] == []


def test_every_word_of_the_pipeline_is_in_the_glossary() -> None:
    text = (ROOT / "docs" / "glossary.md").read_text()
    words = (
        "plate",
        "matte",
        "take",
        "shot",
        "window",
        "patch",
        "stitch",
        "proof",
        "feather",
        "grow",
        "reference frame",
    )
    assert [word for word in words if f"**{word}" not in text] == []


def _modules(path: object, prefix: str) -> list[str]:
    names = [module.name for module in pkgutil.walk_packages(path, prefix)]  # type: ignore[arg-type]
    return [name for name in names if not name.endswith("__main__")]


def _loaded_by(modules: list[str]) -> set[str]:
    return _loaded_after("; ".join(f"import {name}" for name in modules))


def _loaded_after(code: str) -> set[str]:
    """Heavy modules in a fresh interpreter after it ran the code."""
    script = f"import sys\n{code}\nprint('LOADED', *({HEAVY!r} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)
    last = done.stdout.splitlines()[-1].split()
    assert last[0] == "LOADED"
    return set(last[1:])


def _code_only(path: Path) -> str:
    """The source without its docstrings, which may well say what is forbidden."""
    source = path.read_text()
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node) is not None:
            node.body[0] = ast.Pass()
    return ast.unparse(tree)
