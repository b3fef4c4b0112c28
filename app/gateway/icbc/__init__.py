"""The dialect of the ICBC open platform: clients written against its SDK reach the same use cases.

`parameters` reads a request and makes the string to sign, `verify` checks in order, `answers` writes the exact bytes
of an answer, `keys` keeps what an application and the bank need, `example` is the worked example of docs/icbc.md.
"""
