"""The erasure methods that ship with erasebench, one file or one folder each."""
