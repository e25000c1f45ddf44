"""Asks and shows: the commands, a thin skin over the library."""
