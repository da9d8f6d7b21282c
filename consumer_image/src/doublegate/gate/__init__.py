"""The gates: what decides whether an effect may start.

Each is usable and testable alone: `filter` and `exact` (gate 1, in memory, composed in `local`), `ledger`
(gate 2, Redis or Valkey; `memory_ledger` is its model) and `inbox` (gate 3, PostgreSQL).
"""
