"""The smallest resource, and a way to change one field of it."""

import copy

import pytest

MINIMAL = {
    "apiVersion": "doublegate.dev/v1alpha1",
    "kind": "IdempotentConsumer",
    "metadata": {"name": "payments"},
    "spec": {
        "handler": {"python": "shop.payments:charge"},
        "kafka": {"bootstrapServers": "kafka:9092", "topic": "payments", "group": "shop"},
    },
}


@pytest.fixture
def minimal():
    return copy.deepcopy(MINIMAL)


@pytest.fixture
def changed(minimal):
    """Takes {"ledger.ttl": "2h"} and gives the resource with these fields of the spec set."""

    def change(fields):
        for path, value in fields.items():
            *parents, last = path.split(".")
            place = minimal["spec"]
            for parent in parents:
                place = place.setdefault(parent, {})
            place[last] = value
        return minimal

    return change
