"""What a trained run is made into: figures, a page, files for other programs."""
