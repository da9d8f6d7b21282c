"""Container images without a container engine: `python -m tools.images`."""
