"""Assembles: the only place where concrete classes meet."""
