"""The checks of `inside/`, each in a process of its own, in every Blender that is there."""

from __future__ import annotations

import ast
from collections.abc import Callable
from pathlib import Path

import pytest

INSIDE = Path(__file__).parent / "inside"
MODULES = ("plates", "mattes", "landing", "nodes_and_clips", "working_space")


def checks() -> list[str]:
    """`module.check` for the checks that need no argument."""
    found = []
    for module in MODULES:
        tree = ast.parse((INSIDE / f"{module}.py").read_text())
        functions = [node for node in tree.body if isinstance(node, ast.FunctionDef) and len(node.args.args) == 1]
        found += [f"{module}.{each.name}" for each in functions if each.name.startswith("check_")]
    return found


@pytest.mark.parametrize("check", checks())
def test_check(blender: Callable[..., str], check: str) -> None:
    blender(*check.split("."))


@pytest.mark.parametrize("seed", ["1", "2"])
def test_image_strips_show_the_numbers_that_are_named(blender: Callable[..., str], seed: str) -> None:
    blender("plates", "check_image_mapping", seed)


def test_movie_strips_show_the_frames_that_are_named(blender: Callable[..., str], movie: Path) -> None:
    blender("plates", "check_movies", str(movie))
