"""The certificate authority of the service. Knows no web and no database."""
