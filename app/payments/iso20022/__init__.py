"""ISO 20022 messages of the clearing channels: frozen values on our side, XML on the other.

Versions are those of the 2019 maintenance release, which HVPS+ is built on.
"""
