"""Segmenters for real images; a world that draws its own pictures brings its own."""
