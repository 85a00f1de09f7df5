"""Reading and writing files: atomic, sealed, YAML, CSV cells, weights."""
