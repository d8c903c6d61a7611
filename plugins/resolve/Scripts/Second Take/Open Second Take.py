"""Second Take: how things are, and all the rest."""

import sys

sys.path.insert(0, "@LIBRARY@")
from secondtake_resolve.entry import main

main("open", globals())
