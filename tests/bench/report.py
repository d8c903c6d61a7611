"""The tables of docs/performance.md, made from a run's rows and put between their markers; bold: below its bar."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from rows import Row

__all__ = ["tables", "write_tables"]


@dataclass(frozen=True, slots=True)
class Column:
    """Which rows of a shot it shows, and how."""

    title: str
    figure: str
    text: Callable[[Row], str]
    rival: str = ""
    judged: bool = True
    """Whether it is the column that says the bar."""


def _ours(row: Row) -> str:
    return _number(row.value)


def _theirs(row: Row) -> str:
    return "–" if row.rival_value is None else _number(row.rival_value)


def _gain(row: Row) -> str:
    return f"{row.value - (row.rival_value or 0.0):+.1f}"


def _ratio(row: Row) -> str:
    return "–" if row.ratio is None else f"{row.ratio:.1f}×"


def _share(row: Row) -> str:
    """Of the rival's; tiny ones with the digits that count."""
    if not row.rival_value:
        return "–"
    share = 100 * row.value / row.rival_value
    return f"{_number(share)} %" if share >= 0.01 else "< 0.01 %"


REMOVE = (
    Column("PSNR, dB", "PSNR", _ours, "Telea", judged=False),
    Column("over Telea, dB", "PSNR", _gain, "Telea"),
    Column("SSIM", "SSIM", _ours, "Telea"),
    Column("flicker, of Telea's", "flicker", _share, "Telea"),
    Column("warp error, of Telea's", "warp error", _share, "Telea"),
    Column("of PatchMatch's", "warp error", _share, "PatchMatch"),
    Column("s/frame", "time", _ours, "Telea"),
    Column("faster than G'MIC", "time", _ratio, "G'MIC"),
)
BESIDE = (
    Column("ours", "PSNR", _ours, "Telea", judged=False),
    Column("Telea", "PSNR", _theirs, "Telea", judged=False),
    Column("Navier–Stokes", "PSNR", _theirs, "Navier–Stokes"),
    Column("G'MIC", "PSNR", _theirs, "G'MIC"),
    Column("PatchMatch", "PSNR", _theirs, "PatchMatch"),
    Column("s/frame: ours", "time", _ours, "Telea", judged=False),
    Column("Telea", "time", _theirs, "Telea", judged=False),
    Column("G'MIC", "time", _theirs, "G'MIC", judged=False),
    Column("PatchMatch", "time", _theirs, "PatchMatch", judged=False),
)
CLIP = (
    Column("PSNR, dB", "PSNR", _ours, "Telea", judged=False),
    Column("over Telea, dB", "PSNR", _gain, "Telea"),
    Column("SSIM", "SSIM", _ours, "Telea"),
    Column("Telea's SSIM", "SSIM", _theirs, "Telea", judged=False),
)
_CLIP = re.compile(r" (move|fixed)$")


def write_tables(page: Path, rows: Sequence[Row]) -> None:
    """Replace what stands between `<!-- bench:NAME -->` and `<!-- /bench -->`, for every table that the rows fill."""
    text = page.read_text(encoding="utf-8")
    for name, table in tables(rows).items():
        head, begin, rest = text.partition(f"<!-- bench:{name} -->\n")
        _, end, tail = rest.partition("<!-- /bench -->")
        if not (begin and end):
            raise ValueError(f"{page.name} has no place for the table '{name}'")
        text = f"{head}{begin}{table}\n{end}{tail}"
    page.write_text(text, encoding="utf-8")


def tables(rows: Sequence[Row]) -> dict[str, str]:
    """Markdown by name; only what there are rows for."""
    line = [row for row in rows if row.bench in ("startup", "latency", "io", "memory")]
    shots = [row for row in rows if row.bench == "fidelity"]
    clips = [row for row in shots if _CLIP.search(row.what)]
    made = [row for row in shots if not _CLIP.search(row.what)]
    found = {
        "line": _plain(line),
        "preview": _plain([row for row in rows if row.bench == "preview"]),
        "remove": _pivot(made, REMOVE),
        "beside": _pivot([row for row in made if _has_rivals(made, row)], BESIDE),
        "clips": _pivot(clips, CLIP),
        **{
            name: _plain([row for row in rows if row.bench == name])
            for name in ("grain", "carry", "track", "takes", "diffusion")
        },
    }
    return {name: table for name, table in found.items() if table}


def _has_rivals(rows: Sequence[Row], row: Row) -> bool:
    return any(one.rival in ("G'MIC", "PatchMatch") and (one.what, one.seed) == (row.what, row.seed) for one in rows)


def _pivot(rows: Sequence[Row], columns: Iterable[Column]) -> str:
    """A line for each shot; the seeds of a kind stand side by side."""
    if not rows:
        return ""
    used = [column for column in columns if any(_shown(row, column) for row in rows)]
    lines = [["shot", *(column.title for column in used)]]
    for what in dict.fromkeys(row.what for row in rows):
        of_shot = [row for row in rows if row.what == what]
        lines.append([what, *(_cell([row for row in of_shot if _shown(row, one)], one) for one in used)])
    return _markdown(lines)


def _shown(row: Row, column: Column) -> bool:
    return row.figure == column.figure and row.rival == column.rival


def _cell(rows: Sequence[Row], column: Column) -> str:
    texts = [_bold(column.text(row), column.judged and row.met is False) for row in rows]
    goal = next((row.goal for row in rows if row.goal), "") if column.judged else ""
    return " / ".join(texts) + (f" ({goal})" if goal else "")


def _plain(rows: Sequence[Row]) -> str:
    if not rows:
        return ""
    lines = [["what", "ours", "beside it", "ratio", "goal"]]
    for row in rows:
        what = ", ".join(word for word in (row.what, row.figure) if word)
        seed = f", seed {row.seed}" if row.seed is not None else ""
        ours = _bold(f"{_number(row.value)} {row.unit}".rstrip(), row.met is False)
        beside = f"{row.rival} {_number(row.rival_value)}" if row.rival_value is not None else row.rival
        lines.append([what + seed, ours, beside, _ratio(row) if row.ratio is not None else "", row.goal])
    return _markdown(lines)


def _markdown(lines: Sequence[Sequence[str]]) -> str:
    head, *body = (f"| {' | '.join(cells)} |" for cells in lines)
    return "\n".join([head, "|---" * len(lines[0]) + "|", *body])


def _bold(text: str, wanted: bool) -> str:
    return f"**{text}**" if wanted and text else text


def _number(value: float | None) -> str:
    """Three digits that count, never in powers of ten."""
    if value is None:
        return ""
    size = abs(value)
    if size >= 100 or value == 0:
        return f"{value:.0f}"
    if size >= 10:
        return f"{value:.1f}"
    if size >= 1:
        return f"{value:.2f}"
    return f"{value:.3f}" if size >= 0.01 else f"{value:.1g}"
