"""Pure integers: one crop box per shot, fixed windows of frames."""
