"""Loading a base model from a folder or a file of diffusers' format."""
