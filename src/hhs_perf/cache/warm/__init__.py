"""Loading before anybody waits: warm-ups, and the keys that were hot the last time."""
