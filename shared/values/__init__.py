"""Values: what a number, a date or an amount must be before anything is built on it.

Each module stands for one kind of value and is imported by name (`from shared.values import money`). Validators of
what people type return the value or an `Invalid`; they never raise. Constructors for code raise `ValueError`.
"""
