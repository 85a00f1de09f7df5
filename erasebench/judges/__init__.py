"""Judges read images and say what they see, one row per image; figures are computed from those rows."""
