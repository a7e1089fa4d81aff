"""The runs of experiments/benchmarks/peers.py; each with_*.py is run by the interpreter of a peer's own environment."""
