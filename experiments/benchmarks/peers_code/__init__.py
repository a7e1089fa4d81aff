"""The runs of experiments/benchmarks/peers.py. The interpreter of a peer's own environment runs its with_*.py."""
