"""`secondtake bridge`: JSON lines with a host's Python on one side, ZeroMQ with the daemon on the other.

`docs/bridge.md` is authoritative. The bridge touches no pixel and imports no image library: what must look into files
does so in a child (`surveyor`, `thumbnails`, and the command line's own verbs).
"""
