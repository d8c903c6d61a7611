"""Second Take: bring back what is done."""

import sys

sys.path.insert(0, "@LIBRARY@")
from secondtake_resolve.entry import main

main("bring_back", globals())
