"""What the cache counts, reports and advises."""
