"""The `secondtake` command."""
