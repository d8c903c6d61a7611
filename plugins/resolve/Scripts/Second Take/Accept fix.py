"""Second Take: accept or reject a fix."""

import sys

sys.path.insert(0, "@LIBRARY@")
from secondtake_resolve.entry import main

main("accept", globals())
