"""Benchmarks against peers, and the scenarios that judge accuracy and conformance."""
