import pytest
import yaml

from doublegate.contract.resource import Mode, load_consumer, parse_consumer
from doublegate.contract.support import refuse_unsupported
from doublegate.demo.errors import DemoError
from doublegate.demo.scene import resolve
from doublegate.demo.settings import Settings, examples_directory
from doublegate.local.model import Endpoints
from doublegate.runtime.handler import load_handler

HERE = Endpoints(
    bootstrap_servers="127.0.0.1:1001",
    redis_url="redis://127.0.0.1:1002/0",
    registry_url="http://127.0.0.1:1003/apis/ccompat/v7",
    postgres_url="postgresql://127.0.0.1:1004/postgres",
    otlp_endpoint="http://127.0.0.1:1005",
)
EXAMPLES = examples_directory()


@pytest.mark.parametrize("name", ["flights.yaml", "observer.yaml", "orders.yaml", "first_consumer.yaml"])
def test_the_examples_are_valid_and_carried_out(name):
    refuse_unsupported(load_consumer(EXAMPLES / name).spec)


@pytest.mark.parametrize("name", ["flights.yaml", "observer.yaml", "orders.yaml"])
def test_resolving_changes_the_addresses_and_nothing_else(name):
    before = load_consumer(EXAMPLES / name)
    after = parse_consumer(
        yaml.safe_load(
            yaml.safe_dump(
                resolve(before, HERE, traces=True).model_dump(mode="json", by_alias=True, exclude_none=True)
            )
        )
    )
    assert after.spec.kafka.bootstrap_servers == "127.0.0.1:1001"
    assert after.spec.ledger.url == "redis://127.0.0.1:1002/0"
    assert after.spec.telemetry.otlp_endpoint == "http://127.0.0.1:1005"
    there = Endpoints(
        bootstrap_servers=before.spec.kafka.bootstrap_servers,
        redis_url=before.spec.ledger.url,
        registry_url=before.spec.schema_.registry_url if before.spec.schema_ else None,
        otlp_endpoint=before.spec.telemetry.otlp_endpoint,
    )
    assert resolve(after, there, traces=True) == before


def test_without_traces_nothing_is_exported():
    assert (
        resolve(load_consumer(EXAMPLES / "flights.yaml"), HERE, traces=False).spec.telemetry.otlp_endpoint
        is None
    )


def test_the_observer_only_observes_in_a_group_of_its_own():
    observer, flights = (load_consumer(EXAMPLES / name).spec for name in ("observer.yaml", "flights.yaml"))
    assert observer.mode is Mode.OBSERVE
    assert observer.kafka.topic == flights.kafka.topic
    assert observer.kafka.group != flights.kafka.group


@pytest.mark.parametrize("name", ["flights", "observer", "orders", "first_consumer"])
def test_the_examples_handlers_load(name, monkeypatch):
    monkeypatch.syspath_prepend(str(EXAMPLES))
    handler = load_handler(load_consumer(EXAMPLES / f"{name}.yaml").spec.handler.python)
    assert handler.batch == (name in {"flights", "observer"})


@pytest.mark.parametrize("events", [0, 99, 300_001])
def test_an_absurd_number_of_events_is_refused_with_what_is_allowed(tmp_path, events):
    with pytest.raises(DemoError, match="100 to 300000"):
        Settings(home=tmp_path, events=events)
