"""Stable Diffusion v1.4 and models of its format."""
