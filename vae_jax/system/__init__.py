"""The machine: processes, devices, memory, compilation, signals, console, disk, locks, profiling."""
