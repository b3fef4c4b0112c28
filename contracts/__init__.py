"""PDF contracts: make, sign, inspect, validate, prove. Knows no web and no database."""
