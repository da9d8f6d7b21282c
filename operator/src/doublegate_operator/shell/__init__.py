"""Observes and carries out: Kubernetes, Kafka, the registry, the ledger, the pods."""
