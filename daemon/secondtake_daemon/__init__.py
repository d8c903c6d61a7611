"""The daemon, its workers and the command line of Second Take."""
