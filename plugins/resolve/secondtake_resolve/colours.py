"""Colour spaces: what Resolve calls them, and what the daemon does. Pure.

Only names that mean the same are here. What is not is asked of the artist; nothing is guessed.
"""

from __future__ import annotations

from collections.abc import Mapping

__all__ = [
    "CLIP_PROPERTIES", "PROJECT_SETTINGS", "colour_words", "render_colourspace", "render_properties",
    "source_colourspace",
]  # fmt: skip

CLIP_PROPERTIES = ("Input Color Space", "Input Gamma", "IDT", "Data Level", "PAR")
"""Of a pool item: how its picture is read. A take gets its plate's."""
PROJECT_SETTINGS = (
    "colorScienceMode", "isAutoColorManage", "rcmPresetMode", "separateColorSpaceAndGamma",
    "colorSpaceInput", "colorSpaceTimeline", "colorSpaceOutput", "colorSpaceOutputGamma",
    "colorAcesIDT", "colorAcesODT", "colorAcesNodeLUTProcessingSpace", "acesVersion",
)  # fmt: skip
"""Of a project; read, never written."""

_UNMANAGED = "davinciYRGB"
_ACES = ("acescc", "acescct")
_NAMES = {
    "ACES (AP0)": "ACES2065-1",
    "ACEScg": "ACEScg",
    "ACEScct": "ACEScct",
    "ACEScc": "ACEScc",
    "ARRI LogC3": "ARRI LogC3 (EI800)",
    "ARRI LogC4": "ARRI LogC4",
    "DaVinci WG/Intermediate": "DaVinci Intermediate WideGamut",
    "DaVinci Intermediate": "DaVinci Intermediate WideGamut",
    "S-Gamut3.Cine/S-Log3": "S-Log3 S-Gamut3.Cine",
    "S-Gamut3/S-Log3": "S-Log3 S-Gamut3",
    "Rec.709 Gamma 2.4": "Gamma 2.4 Encoded Rec.709",
    "Rec.709 Gamma 2.2": "Gamma 2.2 Encoded Rec.709",
    "sRGB": "sRGB Encoded Rec.709 (sRGB)",
}


def source_colourspace(clip_colour: Mapping[str, str], *, asked: str) -> str:
    """The plate's space by the daemon's name: what the artist said, else the clip; "" leaves it to the file."""
    return asked or _NAMES.get(clip_colour.get("Input Color Space", ""), "")


def render_colourspace(project_colour: Mapping[str, str], *, asked: str) -> str:
    """The space of rendered frames: what the artist said, else the project's output; "" if the project names none.

    An ACES project names an output transform, which is no colour space.
    """
    return asked or _NAMES.get(" ".join(_output(project_colour)), "")


def render_properties(project_colour: Mapping[str, str]) -> dict[str, str]:
    """How a clip of rendered frames must be read, so that it shows what was rendered: as the project's own output."""
    if project_colour.get("colorScienceMode", _UNMANAGED) in _ACES:
        transform = project_colour.get("colorAcesODT", "")
        return {"IDT": transform} if transform else {}
    return dict(zip(("Input Color Space", "Input Gamma"), _output(project_colour)))


def _output(project_colour: Mapping[str, str]) -> tuple[str, ...]:
    """Colour space and, where the project parts them, gamma, in which a managed project renders; none for others."""
    named = project_colour.get("colorSpaceOutput", "")
    if project_colour.get("colorScienceMode", _UNMANAGED) in (_UNMANAGED, *_ACES) or not named:
        return ()
    is_split = project_colour.get("separateColorSpaceAndGamma", "0") == "1"
    return (named, project_colour.get("colorSpaceOutputGamma", "")) if is_split else (named,)


def colour_words(project_colour: Mapping[str, str], clip_colour: Mapping[str, str]) -> str:
    """How colour is managed, for a line: `Unmanaged`, `davinciYRGBColorManagedv2, clip ARRI LogC4`."""
    science = project_colour.get("colorScienceMode", "")
    words = "Colour is unmanaged" if science in ("", _UNMANAGED) else f"Colour is managed by {science}"
    clip_space = clip_colour.get("Input Color Space", "") or clip_colour.get("IDT", "")
    return f"{words}, the clip is {clip_space}" if clip_space else words
