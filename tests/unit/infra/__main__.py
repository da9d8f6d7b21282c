"""Writes the golden files anew: `.venv/bin/python -m tests.unit.infra`; read the difference."""

from __future__ import annotations

from tests.unit.infra.recording import golden
from tests.unit.infra.test_graph import GOLDEN, STACKS

for stack in STACKS:
    GOLDEN.mkdir(exist_ok=True)
    (GOLDEN / f"{stack}.json").write_text(golden(stack))
