"""The public client of Second Take."""
