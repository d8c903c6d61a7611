"""Content keys, durable writes, finished patches."""
