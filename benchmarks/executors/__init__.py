"""Executors: workers and devices, how fast they are and what they survive.

- `scaling`: two workers beside one, and the driver's share
- `faults`: workers and drivers that are killed
- `device_evaluation`: a processor's core, a GPU, and a GPU with stacks
- `stand_ins`: a problem that costs nothing, and workers that answer at once
"""
