"""Reaches: the store contract and one file per kind of store."""
