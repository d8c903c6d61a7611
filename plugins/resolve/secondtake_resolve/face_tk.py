"""Plain windows with Tk, where UIManager is missing and the artist's Python has it."""

from __future__ import annotations

import time
import tkinter as tk
from collections.abc import Sequence
from tkinter import ttk

from .form import Form

__all__ = ["TkFace"]

_WIDTH, _PERIOD_S = 64, 0.05


class TkFace:
    """One root window, emptied for each question. Raises TclError where there is no screen."""

    def __init__(self) -> None:
        self._root = tk.Tk()
        self._root.title("Second Take")
        self._root.protocol("WM_DELETE_WINDOW", lambda: self._press(""))
        self._frame = ttk.Frame(self._root, padding=12)
        self._frame.grid()
        self._words, self._bar = tk.StringVar(), tk.DoubleVar()
        self._pressed: str | None = None
        self._has_progress = False

    def ask(self, form: Form) -> dict[str, str] | None:
        """See Face."""
        self._clear(form.title)
        for row, line in enumerate(form.lines):
            ttk.Label(self._frame, text=line, wraplength=520).grid(row=row, column=0, columnspan=2, sticky="w")
        values = {}
        for row, field in enumerate(form.fields, start=len(form.lines)):
            values[field.key] = tk.StringVar(self._root, value=field.value)
            label = f"{field.label} ({field.hint})" if field.hint else field.label
            ttk.Label(self._frame, text=label, wraplength=240).grid(row=row, column=0, sticky="w")
            self._answer(values[field.key], field.choices).grid(row=row, column=1, sticky="ew")
        self._buttons({"send": "Fix", "": "Cancel"})
        return {key: value.get() for key, value in values.items()} if self._wait() == "send" else None

    def choose(self, question: str, choices: Sequence[str]) -> int | None:
        """See Face."""
        self._clear("Second Take")
        ttk.Label(self._frame, text=question, wraplength=520).grid(row=0, column=0, columnspan=2)
        self._buttons({str(at): text for at, text in enumerate(choices)})
        pressed = self._wait()
        return int(pressed) if pressed else None

    def progress(self, words: str, share: float) -> bool:
        """See Face."""
        if not self._has_progress:
            self._clear("Second Take")
            self._has_progress = True
            ttk.Label(self._frame, textvariable=self._words, width=_WIDTH).grid()
            ttk.Progressbar(self._frame, variable=self._bar, maximum=1.0, length=420).grid()
            self._buttons({"": "Cancel"})
        self._words.set(words)
        self._bar.set(share)
        self._root.update()
        return self._pressed is None

    def tell(self, lines: Sequence[str]) -> None:
        """See Face."""
        self.choose("\n".join(lines), ["OK"])

    def close(self) -> None:
        """See Face."""
        self._root.destroy()

    def _answer(self, value: tk.StringVar, choices: Sequence[str]) -> ttk.Widget:
        if choices:
            return ttk.Combobox(self._frame, textvariable=value, values=list(choices), state="readonly", width=48)
        return ttk.Entry(self._frame, textvariable=value, width=50)

    def _buttons(self, names: dict[str, str]) -> None:
        row = ttk.Frame(self._frame)
        row.grid(column=0, columnspan=2, sticky="e")
        for name, text in names.items():
            ttk.Button(row, text=text, command=lambda name=name: self._press(name)).pack(side="left")  # type: ignore[misc]

    def _press(self, name: str) -> None:
        self._pressed = name

    def _clear(self, title: str) -> None:
        self._has_progress, self._pressed = False, None
        self._root.title(title)
        for child in self._frame.winfo_children():
            child.destroy()

    def _wait(self) -> str:
        while self._pressed is None:
            self._root.update()
            time.sleep(_PERIOD_S)
        return self._pressed
