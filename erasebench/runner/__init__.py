"""The run: every method on every suite, from a request (`request`) through jobs (`job`) to the board (`run`)."""
