"""Ends: retention terms, chosen auto-delete, idle child profiles, dated purges."""
