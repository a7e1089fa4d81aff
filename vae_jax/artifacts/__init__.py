"""Outputs of a trained run: figures, a web page, files for other programs."""
