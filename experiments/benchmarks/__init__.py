"""Measurements of speed and memory; each script renders its result into README.md here."""
