"""Every method held to the numbers that its official code gave on small inputs (README.md)."""
