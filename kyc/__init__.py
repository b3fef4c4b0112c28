"""Identity proofing: documents, faces, liveness and the evidence of them. Knows no web and no database."""
