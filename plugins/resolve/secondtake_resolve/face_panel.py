"""The panel: Resolve's own UIManager, in Studio and old free editions. One thread, one loop of our own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from .form import Field, Form

__all__ = ["Panel"]

_ID = "com.secondtake.resolve"
_WIDTH_PX, _ROW_PX, _LEFT_PX, _TOP_PX = 560, 34, 200, 160
_BAR = 24


class Panel:
    """One window at a time; it is made anew for each question."""

    def __init__(self, ui: Any, dispatcher: Any) -> None:  # noqa: ANN401 — objects of Resolve without types
        self._ui, self._dispatcher = ui, dispatcher
        self._window: Any = None
        self._items: Any = {}
        self._pressed = ""

    @classmethod
    def open(cls, fusion: Any, bmd: Any) -> Panel | None:  # noqa: ANN401
        """The panel; None where there is no UIManager."""
        ui = fusion.UIManager
        return cls(ui, bmd.UIDispatcher(ui)) if ui is not None else None

    def ask(self, form: Form) -> dict[str, str] | None:
        """See Face."""
        ui = self._ui
        rows = [ui.Label({"Text": line, "WordWrap": True, "Weight": 0}) for line in form.lines]
        rows += [self._row(field) for field in form.fields]
        buttons = [ui.Button({"ID": "send", "Text": "Fix"}), ui.Button({"ID": "away", "Text": "Cancel"})]
        self._show(form.title, [*rows, ui.HGroup({"Weight": 0}, buttons)], ("send", "away"))
        for field in form.fields:
            if field.choices:
                self._items[field.key].AddItems(list(field.choices))
                self._items[field.key].CurrentText = field.value
        pressed = self._wait()
        said = {field.key: self._said(field) for field in form.fields} if pressed == "send" else None
        self.close()
        return said

    def choose(self, question: str, choices: Sequence[str]) -> int | None:
        """See Face."""
        ui = self._ui
        buttons = [ui.Button({"ID": f"choice{at}", "Text": text}) for at, text in enumerate(choices)]
        names = [f"choice{at}" for at in range(len(choices))]
        self._show("Second Take", [ui.Label({"Text": question, "WordWrap": True}), *buttons], names)
        pressed = self._wait()
        self.close()
        return names.index(pressed) if pressed in names else None

    def progress(self, words: str, share: float) -> bool:
        """See Face."""
        if self._window is None:
            ui = self._ui
            rows = [ui.Label({"ID": "words", "Text": ""}), ui.Label({"ID": "bar", "Text": ""})]
            self._show("Second Take", [*rows, ui.Button({"ID": "away", "Text": "Cancel"})], ("away",))
        done = round(min(max(share, 0.0), 1.0) * _BAR)
        self._items["words"].Text = words
        self._items["bar"].Text = "█" * done + "░" * (_BAR - done)
        self._dispatcher.StepLoop()
        return not self._pressed

    def tell(self, lines: Sequence[str]) -> None:
        """See Face."""
        self.close()
        self.choose("\n".join(lines), ["OK"])

    def close(self) -> None:
        """See Face."""
        if self._window is not None:
            self._window.Hide()
            self._window, self._items = None, {}

    def _row(self, field: Field) -> Any:  # noqa: ANN401
        ui = self._ui
        if field.choices:
            answer = ui.ComboBox({"ID": field.key})
        elif field.key == "instruction":
            answer = ui.TextEdit({"ID": field.key, "Text": field.value, "PlaceholderText": field.hint})
        else:
            answer = ui.LineEdit({"ID": field.key, "Text": field.value, "PlaceholderText": field.hint})
        return ui.HGroup({"Weight": 0}, [ui.Label({"Text": field.label, "Weight": 0.3}), answer])

    def _said(self, field: Field) -> str:
        item = self._items[field.key]
        if field.choices:
            return str(item.CurrentText)
        return str(item.PlainText if field.key == "instruction" else item.Text)

    def _show(self, title: str, rows: list[Any], buttons: Sequence[str]) -> None:
        self.close()
        older = self._ui.FindWindow(_ID)
        if older is not None:
            older.Hide()
        size = [_LEFT_PX, _TOP_PX, _WIDTH_PX, _ROW_PX * (len(rows) + 2)]
        window = self._dispatcher.AddWindow(
            {"ID": _ID, "WindowTitle": title, "Geometry": size}, [self._ui.VGroup(rows)]
        )
        self._pressed = ""
        for name in buttons:
            window.On[name].Clicked = self._press(name)
        window.On[_ID].Close = self._press("closed")
        self._items, self._window = window.GetItems(), window
        window.Show()

    def _press(self, name: str) -> Callable[[object], None]:
        def pressed(_: object) -> None:
            self._pressed = name
            self._dispatcher.ExitLoop()

        return pressed

    def _wait(self) -> str:
        if not self._pressed:
            self._dispatcher.RunLoop()
        return self._pressed
