"""Engines: a window of frames in, a patch out. `catalogue` lists them; `contract` says what one must do."""
