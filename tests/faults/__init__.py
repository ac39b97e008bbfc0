"""Faults: whatever is killed, frozen, cut off, slowed down or filled up, and what must hold all the same."""
