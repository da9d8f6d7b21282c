"""The resources' definitions for the API server, out of the contract's models."""
