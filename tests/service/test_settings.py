from __future__ import annotations

import os
from pathlib import Path

import pytest

from secondtake.errors import UsageError
from secondtake_daemon.settings import Settings, load_settings


def write(tmp_path: Path, text: str) -> Path:
    file = tmp_path / "settings.toml"
    file.write_text(text, encoding="utf-8")
    return file


def test_no_file_means_defaults(tmp_path: Path) -> None:
    assert load_settings(tmp_path / "settings.toml", environment={}) == Settings()


def test_file_then_variable(tmp_path: Path) -> None:
    file = write(tmp_path, '[daemon]\nworkers = 2\nidle_exit_s = 5\nroots = ["/show"]\n')
    settings = load_settings(file, environment={"SECONDTAKE_WORKERS": "3", "SECONDTAKE_UNRELATED": "x"})
    assert (settings.workers, settings.idle_exit_s, settings.roots) == (3, 5.0, ("/show",))


def test_lists_in_variables_are_written_as_path_is(tmp_path: Path) -> None:
    environment = {"SECONDTAKE_ROOTS": os.pathsep.join(["/a", "/b c"])}
    assert load_settings(tmp_path / "none", environment=environment).roots == ("/a", "/b c")


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("[daemon]\nwokers = 1\n", "wokers"),
        ("[demon]\nworkers = 1\n", "demon"),
        ('[daemon]\nworkers = "1"\n', "workers"),
        ("[daemon]\nworkers = 0\n", "workers"),
        ("[daemon]\nworkers = true\n", "workers"),
        ("[daemon]\nidle_exit_s = -1\n", "idle_exit_s"),
        ("[daemon]\nidle_exit_s = nan\n", "idle_exit_s"),
        ("[daemon]\nroots = [1]\n", "roots"),
        ("daemon = 3\n", "daemon"),
        ("[daemon\n", "TOML"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, text: str, name: str) -> None:
    with pytest.raises(UsageError, match=name) as caught:
        load_settings(write(tmp_path, text), environment={})
    assert caught.value.path.endswith("settings.toml")


@pytest.mark.parametrize("value", ["", "many", "0", "1.5"])
def test_a_wrong_variable_is_named(tmp_path: Path, value: str) -> None:
    with pytest.raises(UsageError, match="SECONDTAKE_WORKERS"):
        load_settings(tmp_path / "none", environment={"SECONDTAKE_WORKERS": value})


def test_not_utf8(tmp_path: Path) -> None:
    file = tmp_path / "settings.toml"
    file.write_bytes(b"\xff\xfe")
    with pytest.raises(UsageError, match="cannot be read"):
        load_settings(file, environment={})
