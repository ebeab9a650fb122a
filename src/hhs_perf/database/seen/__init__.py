"""Seeing what engines execute."""
