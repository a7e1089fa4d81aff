"""The fault drill, `python -m experiments.faults`: its faults and its table. tests/faults uses it too."""
