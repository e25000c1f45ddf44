"""Remembers: the control database and durable execution."""
