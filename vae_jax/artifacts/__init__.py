"""The products of a trained run: figures, a page, files for other programs."""
