"""Segmenters for real images; a world that paints its own figures brings its own."""
