"""Runs: clock, settings, fleet, telemetry."""
