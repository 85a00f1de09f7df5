"""Trials of a method's settings on the miniature's validation split, by one rule for every method."""
