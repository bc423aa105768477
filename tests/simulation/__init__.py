"""The whole venue in one process on simulated time, with every fault that it must survive.

docs/simulation.md says in prose what is simulated, which faults there are and what is checked.
"""
