"""What erasebench does in how much time on a machine: checks that anybody can run."""
