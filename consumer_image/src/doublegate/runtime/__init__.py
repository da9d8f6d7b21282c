"""The runtime: from the poll to the commit, with every effect behind the gates.

Start it with `service.run`; handlers use `doublegate.Event`, `Context`, `Retry`, `Reject` and `Unknown`.
"""
