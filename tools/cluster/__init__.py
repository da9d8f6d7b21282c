"""A real Kubernetes cluster of one node on this machine: `python -m tools.cluster up|down|status`."""
