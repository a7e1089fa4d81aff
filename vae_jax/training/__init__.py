"""Everything behind the loop: preparation, steps, epochs, opening and concluding a run."""
