"""What `experiments.faults` does to runs, and the table it makes; the tests of tests/faults use it too."""
