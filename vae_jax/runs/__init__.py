"""A run is a directory: its config, checkpoints, metrics and latent frames, and how it is loaded."""
