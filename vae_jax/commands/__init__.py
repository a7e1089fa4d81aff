"""The commands on a run: their flags, one call, one print."""
