"""What a run keeps while it works: its folder, its images, its judgements."""
