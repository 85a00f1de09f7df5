"""What every method gave, to be compared with what it gives."""
