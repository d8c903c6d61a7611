"""Mattes, and the patch over the plate inside them."""
