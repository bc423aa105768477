"""The engine's process and the projector's: everything that has one writer."""
