"""Second Take: fix the clip under the playhead."""

import sys

sys.path.insert(0, "@LIBRARY@")
from secondtake_resolve.entry import main

main("fix", globals())
