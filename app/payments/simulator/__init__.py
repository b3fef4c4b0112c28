"""A clearing system that stands in for the real connection: a process of its own with a memory of its own.

It knows nothing of the bank's database: messages come and go, signed, and what it decided stays decided.
"""
