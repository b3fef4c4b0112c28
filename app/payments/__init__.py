"""Payments: instructions that happen once, a ledger that balances, channels to other banks."""
