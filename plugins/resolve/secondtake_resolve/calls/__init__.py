"""Every call of Resolve's API. Nothing outside of this folder touches one of its objects.

The API fails silently: False, None, "", [], [None], or success without effect. So every write here is judged by what is
read afterwards, and raises Refusal if it is not there. `hasattr` is always true; `dir` alone tells what a version has.
Names, arguments and ends of ranges are those of the API; plain values go in and come out.
"""

from __future__ import annotations

from .delivering import Delivering
from .placing import Placing
from .reading import Reading
from .showing import Showing
from .steady import sure

__all__ = ["Host", "sure"]


class Host(Reading, Showing, Delivering, Placing):
    """A running Resolve. Not thread-safe, as Resolve is not."""
