"""Settings from the environment."""

from __future__ import annotations

import pytest

from doublegate_operator.shell.settings import InvalidSettings, Settings


def _read(**given: str) -> Settings:
    return Settings.from_environment({f"DOUBLEGATE_OPERATOR_{name}": value for name, value in given.items()})


def test_what_the_chart_sets() -> None:
    settings = _read(
        POD_NAME="op-1",
        POD_NAMESPACE="system",
        WATCH_NAMESPACES="shop, bank,shop",
        LEASE_NAME="op",
        CONSUMER_IMAGE="",
        METRICS_PORT="8081",
        LOG_LEVEL="DEBUG",
    )
    assert settings.namespaces == ("shop", "bank")
    assert settings.core.consumer_image is None
    assert settings.core.operator_namespace == "system"


@pytest.mark.parametrize(("given", "namespaces"), [("", ("system",)), ("*", None), ("a", ("a",))])
def test_namespaces(given: str, namespaces: tuple[str, ...] | None) -> None:
    assert _read(POD_NAMESPACE="system", WATCH_NAMESPACES=given).namespaces == namespaces


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("METRICS_PORT", "many", "DOUBLEGATE_OPERATOR_METRICS_PORT: given 'many'"),
        ("METRICS_PORT", "65536", "less than or equal to 65535"),
        ("LOG_LEVEL", "LOUD", "'DEBUG', 'INFO', 'WARNING' or 'ERROR'"),
        ("RESYNC", "0", "greater than or equal to 1"),
        ("WATCH_NAMESPACES", "a,*", "name no other beside it"),
        ("WATCH_NAMESPACES", "A_b", "'A_b' is no namespace's name"),
        ("WATCH_NAMESPACE", "shop", "is no setting; they are DOUBLEGATE_OPERATOR_POD_NAME, "),
    ],
)
def test_what_is_wrong_is_named(name: str, value: str, says: str) -> None:
    with pytest.raises(InvalidSettings) as told:
        _read(**{name: value})
    assert f"DOUBLEGATE_OPERATOR_{name}" in str(told.value)
    assert says in str(told.value)


def test_a_service_of_the_same_name_does_no_harm() -> None:
    links = {"SERVICE_HOST": "10.0.0.1", "SERVICE_PORT_HTTP": "80", "PORT_80_TCP_ADDR": "10.0.0.1"}
    assert _read(**links, METRICS_SERVICE_HOST="10.0.0.1", PORT="tcp://10.0.0.1:80").metrics_port == 8081
