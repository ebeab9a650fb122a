"""Keys, patterns of keys, and tags: made of calls, or spelled by the caller."""
