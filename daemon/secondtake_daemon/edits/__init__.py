"""Several shots in one file: what `secondtake run` reads, asks the daemon for, and plays (docs/edit.md)."""
