"""The Blender extension of Second Take (not built yet)."""
