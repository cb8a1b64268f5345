"""Benchmarks; every figure is printed as a ratio within one run."""
