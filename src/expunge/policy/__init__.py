"""Declares: what the company says about where people's data lies, and what follows from it."""
