"""Judges read images and say what they see, one row per image; metrics are computed from those rows."""
