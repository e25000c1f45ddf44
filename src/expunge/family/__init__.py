"""Asks: households, profiles, verifiable parental consent, notices."""
