"""The worlds that ship with erasebench."""
