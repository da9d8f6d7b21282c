"""Traces, metrics, logs and the status server: what an operator of a consumer sees of it.

The runtime calls it; it knows nothing of the runtime. OpenTelemetry and Prometheus are used here only.
"""
