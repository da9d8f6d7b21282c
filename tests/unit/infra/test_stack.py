"""The program as the engine starts it."""

from __future__ import annotations

from typing import Any

import pulumi
import pytest
from pulumi.runtime.config import set_all_config

from infra.settings import NAMESPACE
from infra.stack import run
from tests.unit.infra.stacks import configuration, encoded


def start(values: dict[str, Any]) -> None:
    config = {f"{NAMESPACE}:{name}": text for name, text in encoded(values).items()}
    set_all_config(config, [f"{NAMESPACE}:secrets"])
    try:
        run()
    finally:
        set_all_config({}, [])


def test_a_wrong_configuration_ends_it_before_anything_is_made() -> None:
    values = configuration("dev") | {"keda": {"existing": {}, "chart": {"version": "2.18.1"}}}
    with pytest.raises(
        pulumi.RunError, match=r"doublegate:keda: .*; found chart and existing; allowed: exactly one"
    ):
        start(values)


def test_so_does_a_wrong_consumer() -> None:
    values = configuration("dev") | {"consumers": [{"name": "payments", "spec": {"handler": {}}}]}
    values["secrets"]["passwords"]["ledger-payments"] = "x"
    with pytest.raises(pulumi.RunError, match=r"doublegate:consumers\[0\]\.spec\.kafka\.topic: missing"):
        start(values)
