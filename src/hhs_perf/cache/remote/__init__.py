"""L2: what one process says to Redis and hears from the others."""
