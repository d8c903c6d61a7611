"""The DaVinci Resolve scripts of Second Take (not built yet)."""
