"""How the miniature was made and measured; no run imports it."""
