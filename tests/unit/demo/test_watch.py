from pathlib import Path

import pytest

from doublegate.demo.errors import ProcessDied
from doublegate.demo.follow import check_servers
from doublegate.demo.watch import Counts, at_work, read_counts, rejected, scrape
from doublegate.local.model import Health, Service, ServiceStatus
from doublegate.local.ports import free_ports
from doublegate.telemetry.metrics import Metrics


@pytest.fixture
def counts():
    metrics = Metrics(group="g", topic="t")
    for gate, count in (("memory", 5), ("inflight", 2), ("watermark", 1), ("ledger", 3), ("inbox", 4)):
        metrics.events.add(count, "duplicate", gate)
    metrics.events.add(100, "done", "handler")
    metrics.unknown_outcomes.add(7, "owner_died")
    metrics.dead_letters.add(2, "failed")
    found = read_counts(metrics.page()[0].decode())
    metrics.shutdown()
    return found


def test_reads_the_real_page(counts):
    assert rejected(counts) == {"local": 8, "ledger": 3, "inbox": 4}
    assert counts.decided["done", "handler"] == 100
    assert counts.unknown == {"owner_died": 7}
    assert counts.dead_letters == {"failed": 2}


def test_counters_of_several_consumers_add_up(counts):
    assert rejected(counts + counts + Counts()) == {"local": 16, "ledger": 6, "inbox": 8}


def test_nobody_there_works_on_nothing_and_counts_nothing():
    [port] = free_ports(1)
    assert scrape(port) is None
    assert at_work(port, "flights") == 0


def test_a_dead_server_is_named_with_its_log(tmp_path):
    log = tmp_path / "kafka.log"
    log.write_text("out of memory\n")
    alive = ServiceStatus(Service.VALKEY, Health.RUNNING, 1, 1, str(log))
    dead = ServiceStatus(Service.KAFKA, Health.STOPPED, None, 1, str(Path(log)))
    check_servers([alive])
    with pytest.raises(ProcessDied, match=r"(?s)kafka died while the demo ran.*kafka.log.*out of memory"):
        check_servers([alive, dead])
