"""Limiters: one for the threads and event loops of a process, one for all that share a Redis."""
