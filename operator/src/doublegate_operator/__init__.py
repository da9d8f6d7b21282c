"""The operator: a pure core that plans, and a thin shell that observes and carries out."""
