"""Blender's names of colour spaces, as the daemon's built-in OCIO configuration calls them.

A test compares the two configurations by numbers. With $OCIO both programs read the same configuration, and every name
passes as it is.
"""

from __future__ import annotations

from .refusal import Refusal

__all__ = ["LINEAR", "colourspace_for_daemon", "rendered_colourspace"]

LINEAR = "Linear Rec.709"
"""Blender's name of the space that frames are rendered in for the daemon."""

_NAMES = {
    "Linear Rec.709": "lin_rec709_scene",
    "sRGB": "srgb_rec709_scene",
    "Rec.1886": "Gamma 2.4 Encoded Rec.709",
    "Linear DCI-P3 D65": "Linear P3-D65",
    "Display P3": "sRGB Encoded P3-D65",
    "Linear Adobe RGB": "Linear AdobeRGB",
    "Linear CIE-XYZ D65": "lin_ciexyzd65_scene",
    "Rec.2100-PQ": "Rec.2100-PQ - Display",
    "Rec.2100-HLG": "Rec.2100-HLG - Display",
    "Non-Color": "Raw",
}
_SAME = frozenset(
    {
        "ACES2065-1", "ACEScc", "ACEScct", "ACEScg", "ADX10", "ADX16", "ARRI LogC3 (EI800)", "ARRI LogC4", "Apple Log",
        "BMDFilm WideGamut Gen5", "CanonLog2 CinemaGamut D55", "CanonLog3 CinemaGamut D55", "D-Log D-Gamut",
        "DaVinci Intermediate WideGamut", "Gamma 1.8 Encoded Rec.709", "Gamma 2.2 Encoded AP1",
        "Gamma 2.2 Encoded AdobeRGB", "Gamma 2.2 Encoded Rec.709", "Gamma 2.4 Encoded Rec.709",
        "Linear ARRI Wide Gamut 3", "Linear ARRI Wide Gamut 4", "Linear BMD WideGamut Gen5", "Linear CinemaGamut D55",
        "Linear D-Gamut", "Linear DaVinci WideGamut", "Linear REDWideGamutRGB", "Linear Rec.2020", "Linear S-Gamut3",
        "Linear S-Gamut3.Cine", "Linear V-Gamut", "Linear Venice S-Gamut3", "Linear Venice S-Gamut3.Cine",
        "Log3G10 REDWideGamutRGB", "S-Log3 S-Gamut3", "S-Log3 S-Gamut3.Cine", "S-Log3 Venice S-Gamut3",
        "S-Log3 Venice S-Gamut3.Cine", "V-Log V-Gamut", "sRGB Encoded AP1", "sRGB Encoded P3-D65",
    }
)  # fmt: skip
"""Names that both configurations have, for the same numbers."""


def colourspace_for_daemon(name: str, *, ocio: str, working_space: str = LINEAR) -> str:
    """What to write into a request for Blender's `name`; `ocio` is the $OCIO that Blender runs with, "" if none.

    Raises Refusal for a space that the daemon's configuration lacks, such as a baked view (AgX, Filmic).
    """
    if name == "scene_linear":
        name = working_space
    if ocio:
        return name
    if name in _SAME:
        return name
    if name in _NAMES:
        return _NAMES[name]
    raise Refusal(
        f"The daemon has no colour space like Blender's '{name}'",
        remedy="Choose the space that the files are really in, or set $OCIO to the show's configuration",
    )


def rendered_colourspace(ocio: str) -> tuple[str, str]:
    """Space of the frames that a background Blender renders, as Blender calls it and as the daemon does.

    With $OCIO it is what that configuration calls scene-linear: Blender then finds it for an EXR by itself.
    """
    return ("", "scene_linear") if ocio else (LINEAR, _NAMES[LINEAR])
