"""Seals: per-subject keys that are made, used and destroyed."""
