"""What a user sees while the program runs, and how the program is stopped."""
