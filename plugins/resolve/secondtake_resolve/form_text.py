"""A form as a text that anybody can fill in with any editor. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from .form import Form

__all__ = ["ANSWERED", "read_text", "write_choice", "write_text"]

ANSWERED = "yes"
_SEND = "send"


def write_text(form: Form) -> str:
    """The form, to be filled in and saved."""
    lines = [f"# {form.title}", *(f"# {line}" for line in form.lines), "#"]
    for field in form.fields:
        hints = [f"one of: {' | '.join(choice or '(nothing)' for choice in field.choices)}"] if field.choices else []
        lines += [f"# {field.label}: {'; '.join(filter(None, (field.hint, *hints)))}".rstrip(": ")]
        lines += [f"{field.key} = {field.value}", ""]
    return "\n".join((*lines, f"# Write {ANSWERED} behind {_SEND} = and save. To cancel, write no.", f"{_SEND} = ", ""))


def write_choice(question: str, choices: Sequence[str]) -> str:
    """A question, to be answered with a number."""
    listed = (f"# {at}: {text}" for at, text in enumerate(choices, start=1))
    asked = (f"# {line}" for line in question.splitlines())
    return "\n".join(
        (*asked, *listed, f"# Write the number behind {_SEND} = and save. To cancel, write no.", f"{_SEND} = ", "")
    )


def read_text(text: str) -> tuple[str, dict[str, str]]:
    """What stands behind `send`, lower case, and behind the other names. "" is not answered yet."""
    said = {}
    for line in text.splitlines():
        key, sign, value = line.partition("=")
        if sign and not line.lstrip().startswith("#"):
            said[key.strip()] = value.strip()
    return said.pop(_SEND, "").lower(), said
