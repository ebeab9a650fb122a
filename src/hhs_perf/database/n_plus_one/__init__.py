"""N+1 queries: one query for each row of another, where one for all of them would do."""
