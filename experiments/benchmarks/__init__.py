"""Measurements of speed and memory; each script writes its result into README.md of this folder."""
