"""L1: entries in memory, which of them stay, and what they weigh."""
