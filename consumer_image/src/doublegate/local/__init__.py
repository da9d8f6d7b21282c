"""The real servers on one machine: `doublegate stack`, `doublegate demo` and the integration tests."""
