"""Proves: an append-only signed log, receipts, and their verification by a stranger."""
