"""Routing: from what people type about a payee's bank to the bank, the branch and its clearing code."""
