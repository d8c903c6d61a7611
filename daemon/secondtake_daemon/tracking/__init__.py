"""Matte help: a matte drawn on a few frames, carried through the shot (docs/tracking.md)."""
