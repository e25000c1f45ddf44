"""Challenges: the laws every store must pass, saboteurs that must fail, and doubles that work."""
