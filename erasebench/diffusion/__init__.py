"""Sampling: the sampler, its schedulers and the numerics profile."""
