"""Worked examples; each is a package that can be run from a checkout."""
