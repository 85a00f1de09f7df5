"""Suites: what they say, how they are read, which names a run takes."""
