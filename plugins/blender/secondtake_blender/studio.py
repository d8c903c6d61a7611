"""The studio's OCIO configuration, told from Blender's own.

A Blender with a window puts its own configuration into its environment as $OCIO when none is there (seen in 5.2.2; the
Python module does not). Taken for the studio's, it would go to a daemon that may not even reach the file.
"""

from __future__ import annotations

import os

__all__ = ["studio_ocio"]

_BLENDERS_OWN = "/datafiles/colormanagement/config.ocio"
_NAME = "OCIO"


def studio_ocio() -> str:
    """The configuration that was set for this Blender; "" if it uses its own."""
    value = os.environ.get(_NAME, "")
    return "" if value.replace("\\", "/").endswith(_BLENDERS_OWN) else value
