"""The daemon process: sockets, queue, journal, workers. It never touches a pixel."""
