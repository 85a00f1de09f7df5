"""Prompt tables as CSV; README.md documents the dialect."""
