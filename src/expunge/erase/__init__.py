"""Erases: resolve, plan, locate, erase, verify, receipt."""
