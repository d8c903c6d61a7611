"""Take manifests: what was made, from what, and the proof."""
