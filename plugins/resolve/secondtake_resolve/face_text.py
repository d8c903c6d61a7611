"""The last resort: a text file in the artist's own editor. It needs no window of ours, and goes everywhere."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from .form import Form
from .form_text import ANSWERED, read_text, write_choice, write_text
from .refusal import Refusal
from .workplace import default_folder

__all__ = ["TextFace", "show_in_editor"]

_PERIOD_S = 0.25
_NAME = "Second Take.txt"


class TextFace:
    """Questions are files that are filled in and saved; deleting the file cancels."""

    def __init__(
        self,
        folder: Path | None = None,
        *,
        show: Callable[[Path], None] | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._path = (folder or default_folder()) / _NAME
        self._show, self._sleep = show or show_in_editor, sleep
        self._words = ""

    def ask(self, form: Form) -> dict[str, str] | None:
        """See Face."""
        answer, said = self._answer(write_text(form))
        values = {field.key: said.get(field.key, field.value) for field in form.fields}
        return values if answer == ANSWERED else None

    def choose(self, question: str, choices: Sequence[str]) -> int | None:
        """See Face."""
        answer, _ = self._answer(write_choice(question, choices))
        at = int(answer) - 1 if answer.isdigit() else -1
        return at if 0 <= at < len(choices) else None

    def progress(self, words: str, share: float) -> bool:
        """See Face. The file says how far it is; who deletes it cancels."""
        is_new = not self._words
        if not is_new and not self._path.exists():
            return False
        if words != self._words:
            self._words = words
            done = f" ({share:.0%})" if share else ""
            self._write(f"# {words}{done}\n# Delete this file to cancel.\n")
        if is_new:
            self._show(self._path)
        return True

    def tell(self, lines: Sequence[str]) -> None:
        """See Face."""
        self._words = ""
        self._write("\n".join(lines) + "\n")
        self._show(self._path)

    def close(self) -> None:
        """See Face. What was said last stays to be read."""

    def _answer(self, question: str) -> tuple[str, dict[str, str]]:
        self._words = ""
        self._write(question)
        self._show(self._path)
        while self._path.exists():
            answer, said = read_text(self._path.read_text(encoding="utf-8", errors="replace"))
            if answer:
                return answer, said
            self._sleep(_PERIOD_S)
        return "", {}

    def _write(self, text: str) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._path.write_text(text, encoding="utf-8")


def show_in_editor(path: Path) -> None:
    """Open a text file with whatever opens text files here. Raises Refusal."""
    try:
        if sys.platform == "win32":
            os.startfile(path)
        else:
            command = ["open", "-t"] if sys.platform == "darwin" else ["xdg-open"]
            subprocess.run([*command, str(path)], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise Refusal("There is no window to ask in, and no editor", remedy="Open this file", path=str(path)) from error
