"""The suites that ship with erasebench: one YAML file each."""
