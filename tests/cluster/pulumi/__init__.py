"""Pulumi's real engine on the real program; only the provider of Kubernetes' resources is a test double."""
