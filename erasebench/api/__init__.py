"""The contracts: what a method, a world, a judge and an erasure are, and where each is found by name."""
