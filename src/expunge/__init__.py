"""Expunge: erase a person from every store, and prove it to a stranger."""
