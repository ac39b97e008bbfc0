"""Tokens for systems: the keys that sign them, and the assertions that they are given for."""
