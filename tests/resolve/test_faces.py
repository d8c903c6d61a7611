"""Windows: the panel against a stand-in for UIManager that knows what its documentation names, and the text file."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import secondtake_resolve
from secondtake_resolve.editions import detect
from secondtake_resolve.face import open_face
from secondtake_resolve.face_panel import Panel
from secondtake_resolve.face_text import TextFace
from secondtake_resolve.form import Field, Form

FORM = Form(
    "Fix sh010", ("sh010 on V1",),
    (
        Field("operation", "Do", "remove", ("remove", "modify")),
        Field("instruction", "Instruction"),
        Field("handles", "Handles", "8"),
    ),
)  # fmt: skip
KNOWN = {
    "Label": {"ID", "Text", "WordWrap", "Weight"},
    "Button": {"ID", "Text", "Weight"},
    "ComboBox": {"ID", "Weight"},
    "LineEdit": {"ID", "Text", "PlaceholderText", "Weight"},
    "TextEdit": {"ID", "Text", "PlaceholderText", "Weight"},
    "HGroup": {"ID", "Weight"},
    "VGroup": {"ID", "Weight"},
}


class Widget:
    def __init__(self, kind: str, options: dict[str, Any], children: list[Widget]) -> None:
        assert not set(options) - KNOWN[kind], (kind, options)
        self.kind, self.id, self.children = kind, options.get("ID", ""), children
        self.Text = self.PlainText = options.get("Text", "")
        self.CurrentText, self.choices = "", []  # type: str, list[str]

    def AddItems(self, choices: list[str]) -> None:
        assert self.kind == "ComboBox"
        self.choices += choices
        self.CurrentText = self.choices[0]

    def below(self) -> list[Widget]:
        return [self, *(each for child in self.children for each in child.below())]


class Events:
    def __init__(self) -> None:
        self.handlers: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:
        return self.handlers.setdefault(name, type("Handlers", (), {})())


class Window:
    def __init__(self, options: dict[str, Any], children: list[Widget]) -> None:
        self.options, self.children, self.On, self.is_shown = options, children, Events(), False

    def GetItems(self) -> dict[str, Widget]:
        return {each.id: each for child in self.children for each in child.below() if each.id}

    def Show(self) -> None:
        self.is_shown = True

    def Hide(self) -> None:
        self.is_shown = False


class Screen:
    """UIManager and its dispatcher; `act` is the artist, while a loop runs."""

    def __init__(self) -> None:
        self.windows: list[Window] = []
        self.act: Callable[[Window], None] = lambda window: None
        self.steps = 0
        self.UIManager = self

    def __getattr__(self, kind: str) -> Callable[..., Widget]:
        if kind not in KNOWN:
            raise AttributeError(kind)

        def make(options: Any = None, children: list[Widget] | None = None) -> Widget:
            if isinstance(options, list):
                options, children = {}, options
            return Widget(kind, options or {}, children or [])

        return make

    def UIDispatcher(self, ui: Screen) -> Screen:
        return self

    def AddWindow(self, options: dict[str, Any], children: list[Widget]) -> Window:
        assert {"ID", "WindowTitle", "Geometry"} == set(options)
        self.windows.append(Window(options, children))
        return self.windows[-1]

    def FindWindow(self, name: str) -> Window | None:
        return next((each for each in self.windows if each.is_shown and each.options["ID"] == name), None)

    def RunLoop(self) -> None:
        self.act(self.windows[-1])

    def StepLoop(self) -> None:
        self.steps += 1
        self.act(self.windows[-1])

    def ExitLoop(self) -> None:
        pass


def press(name: str) -> Callable[[Window], None]:
    return lambda window: window.On[name].Clicked({})


@pytest.fixture
def screen() -> Screen:
    return Screen()


def test_panel_asks_and_hears(screen: Screen) -> None:
    panel = Panel.open(screen, screen)
    assert panel is not None

    def fill(window: Window) -> None:
        items = window.GetItems()
        items["operation"].CurrentText = "modify"
        items["instruction"].PlainText = "darker"
        press("send")(window)

    screen.act = fill
    assert panel.ask(FORM) == {"operation": "modify", "instruction": "darker", "handles": "8"}
    assert not screen.windows[-1].is_shown


def test_panel_is_cancelled_by_button_and_by_its_cross(screen: Screen) -> None:
    panel = Panel.open(screen, screen)
    assert panel is not None
    screen.act = press("away")
    assert panel.ask(FORM) is None
    screen.act = lambda window: window.On[window.options["ID"]].Close({})
    assert panel.ask(FORM) is None
    assert panel.choose("Which?", ["a", "b"]) is None
    screen.act = press("choice1")
    assert panel.choose("Which?", ["a", "b"]) == 1


def test_panel_shows_progress_without_waiting_and_can_be_cancelled(screen: Screen) -> None:
    panel = Panel.open(screen, screen)
    assert panel is not None
    assert panel.progress("Working", 0.25)
    assert panel.progress("Working on", 0.5)
    items = screen.windows[-1].GetItems()
    assert (items["words"].Text, items["bar"].Text.count("█")) == ("Working on", 12)
    assert len(screen.windows) == 1
    screen.act = press("away")
    assert not panel.progress("Working on", 0.6)
    assert screen.steps == 3


def test_one_window_at_a_time(screen: Screen) -> None:
    first, second = Panel.open(screen, screen), Panel.open(screen, screen)
    assert first is not None
    assert second is not None
    first.progress("Working", 0.1)
    screen.act = press("choice0")
    second.tell(["Done"])
    assert not any(window.is_shown for window in screen.windows)


def test_which_window_there_is(screen: Screen, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    studio = detect(product="DaVinci Resolve Studio", version=[21, 1, 0])
    free = detect(product="DaVinci Resolve", version=[20, 3, 0])
    assert isinstance(open_face(studio, fusion=screen, bmd=screen), Panel)
    assert isinstance(open_face(free, fusion=screen, bmd=screen), TextFace)
    screen.UIManager = None  # type: ignore[assignment]
    assert isinstance(open_face(studio, fusion=screen, bmd=screen), TextFace)
    assert isinstance(open_face(None, fusion=None, bmd=None), TextFace)


def test_text_file_is_asked_again_until_it_is_answered(tmp_path: Path) -> None:
    path = tmp_path / "Second Take.txt"
    waits: list[int] = []

    def sleep(seconds: float) -> None:
        waits.append(1)
        text = path.read_text()
        if len(waits) == 2:
            path.write_text(text.replace("handles = 8", "handles = 4").replace("send = ", "send = yes"))

    face = TextFace(tmp_path, show=lambda shown: None, sleep=sleep)
    assert face.ask(FORM) == {"operation": "remove", "instruction": "", "handles": "4"}
    face = TextFace(tmp_path, show=lambda shown: shown.unlink(), sleep=sleep)
    assert face.ask(FORM) is None


def test_progress_in_a_text_file_is_cancelled_by_deleting_it(tmp_path: Path) -> None:
    shown: list[Path] = []
    face = TextFace(tmp_path, show=shown.append)
    assert face.progress("Working", 0.5)
    assert "50%" in shown[0].read_text()
    assert face.progress("Working", 0.6)
    shown[0].unlink()
    assert not face.progress("Working", 0.7)
    assert len(shown) == 1
    face.tell(["one", "two"])
    assert shown[1].read_text() == "one\ntwo\n"


TK = """
import sys
from secondtake_resolve.face_tk import TkFace
from secondtake_resolve.form import Field, Form
face = TkFace()
def press(text):
    def find(widget):
        for child in widget.winfo_children():
            if child.winfo_class() == "TButton" and child.cget("text") == text:
                child.invoke()
                return
            find(child)
    face._root.after(150, lambda: find(face._root))
press("Fix")
fields = (Field("operation", "Do", "remove", ("remove", "modify")), Field("handles", "Handles", "8"))
print(face.ask(Form("Fix a", ("one",), fields)))
press("Cancel")
print(face.ask(Form("Fix a", ("one",), fields)))
press("b")
print(face.choose("Which?", ["a", "b"]))
print(face.progress("Working", 0.5), face.progress("Working", 0.6))
press("Cancel")
while face.progress("Working", 0.7):
    pass
press("OK")
face.tell(["Done"])
face.close()
"""


def test_tk_on_a_real_screen(tmp_path: Path) -> None:
    screen, package = shutil.which("Xvfb"), Path(secondtake_resolve.__file__).parents[1]
    if screen is None or importlib.util.find_spec("tkinter") is None:
        pytest.skip("there is no Xvfb, or no Tk")
    reads, writes = os.pipe()
    server = subprocess.Popen(
        [screen, "-displayfd", str(writes), "-screen", "0", "800x600x24", "-nolisten", "tcp"],
        pass_fds=(writes,), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    os.close(writes)
    try:
        with os.fdopen(reads) as pipe:
            display = f":{pipe.readline().strip()}"
        done = subprocess.run(
            [sys.executable, "-W", "error", "-c", TK], capture_output=True, text=True, check=False, timeout=40,
            env={**os.environ, "DISPLAY": display, "PYTHONPATH": str(package)},
        )  # fmt: skip
    finally:
        server.terminate()
        server.wait(10)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["{'operation': 'remove', 'handles': '8'}", "None", "1", "True True"]
