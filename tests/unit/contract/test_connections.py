"""Connections: what clients get, what is refused, and that no secret shows."""

import logging
import pickle
import traceback

import psycopg.conninfo
import pytest
import redis
from confluent_kafka import Consumer
from confluent_kafka.schema_registry import SchemaRegistryClient

from doublegate.contract import (
    KafkaConnection,
    PostgresConnection,
    RedisConnection,
    RegistryConnection,
    SecretUnavailable,
    parse_consumer,
)

PASSWORD = "tr0ub4dor&'3 \\x"


@pytest.fixture
def secret(tmp_path, monkeypatch):
    """Writes the keys of the secret `s` under a root that the environment names."""
    monkeypatch.setenv("DOUBLEGATE_SECRETS", str(tmp_path))

    def write(**keys):
        folder = tmp_path / "s"
        folder.mkdir()
        for key, value in keys.items():
            content = value if isinstance(value, bytes) else value.encode()
            (folder / key.replace("__", "-").replace("_", ".")).write_bytes(content)
        return folder

    return write


@pytest.fixture
def connect(changed):
    """Builds one connection from a spec whose section names the secret `s`."""
    sections = {
        "kafka": (KafkaConnection, {"kafka.securityRef": "s"}, lambda spec: spec.kafka),
        "redis": (
            RedisConnection,
            {"ledger": {"url": "redis://valkey:6380/2", "secretRef": "s"}},
            lambda spec: spec.ledger,
        ),
        "rediss": (
            RedisConnection,
            {"ledger": {"url": "rediss://valkey", "secretRef": "s"}},
            lambda spec: spec.ledger,
        ),
        "registry": (
            RegistryConnection,
            {"schema": {"registryUrl": "https://registry/v7", "secretRef": "s"}},
            lambda spec: spec.schema_,
        ),
        "postgres": (PostgresConnection, {"inbox": {"secretRef": "s"}}, lambda spec: spec.inbox),
    }

    def build(which):
        connection, fields, section = sections[which]
        return connection.from_spec(section(parse_consumer(changed(fields)).spec))

    return build


LOGIN = {"username": "ann", "password": PASSWORD + "\n"}


def test_kafka_in_the_clear_without_a_secret(minimal):
    connection = KafkaConnection.from_spec(parse_consumer(minimal).spec.kafka)
    assert connection.client_config() == {"bootstrap.servers": "kafka:9092", "security.protocol": "PLAINTEXT"}


def test_a_kafka_password_never_goes_over_plain_text_by_accident(secret, connect):
    secret(**LOGIN)
    config = connect("kafka").client_config()
    assert config == {
        "bootstrap.servers": "kafka:9092",
        "security.protocol": "SASL_SSL",
        "sasl.mechanism": "SCRAM-SHA-512",
        "sasl.username": "ann",
        "sasl.password": PASSWORD,
    }
    Consumer({**config, "group.id": "g"}).close()  # librdkafka knows every name


def test_kafka_with_certificates(secret, connect):
    folder = secret(ca_crt="ca", tls_crt="crt", tls_key="key")
    assert connect("kafka").client_config() == {
        "bootstrap.servers": "kafka:9092",
        "security.protocol": "SSL",
        "ssl.ca.location": f"{folder}/ca.crt",
        "ssl.certificate.location": f"{folder}/tls.crt",
        "ssl.key.location": f"{folder}/tls.key",
    }


def test_kafka_as_the_secret_says(secret, connect):
    secret(**LOGIN, security__protocol="SASL_PLAINTEXT\n", sasl__mechanism="PLAIN")
    config = connect("kafka").client_config()
    assert (config["security.protocol"], config["sasl.mechanism"]) == ("SASL_PLAINTEXT", "PLAIN")


def test_redis(secret, connect):
    secret(password=PASSWORD)
    kwargs = connect("redis").kwargs
    assert kwargs == {"host": "valkey", "port": 6380, "db": 2, "username": None, "password": PASSWORD}
    redis.Redis(**kwargs).close()


def test_redis_without_a_secret(minimal):
    assert RedisConnection.from_spec(parse_consumer(minimal).spec.ledger).kwargs == {
        "host": "localhost",
        "port": 6379,
        "db": 0,
    }


def test_redis_with_tls(secret, connect):
    folder = secret(**LOGIN, ca_crt="ca")
    kwargs = connect("rediss").kwargs
    assert kwargs == {
        "host": "valkey",
        "port": 6379,
        "db": 0,
        "username": "ann",
        "password": PASSWORD,
        "ssl": True,
        "ssl_ca_certs": f"{folder}/ca.crt",
    }
    redis.Redis(**kwargs).close()


def test_registry(secret, connect):
    secret(**LOGIN)
    config = connect("registry").client_config()
    assert config == {"url": "https://registry/v7", "basic.auth.user.info": f"ann:{PASSWORD}"}
    SchemaRegistryClient(config)


def test_postgres_from_parts(secret, connect):
    folder = secret(**LOGIN, host="db", port="5433", dbname="shop", ca_crt="ca", tls_crt="c", tls_key="k")
    assert psycopg.conninfo.conninfo_to_dict(connect("postgres").conninfo) == {
        "host": "db",
        "port": "5433",
        "dbname": "shop",
        "user": "ann",
        "password": PASSWORD,
        "sslmode": "verify-full",
        "sslrootcert": f"{folder}/ca.crt",
        "sslcert": f"{folder}/tls.crt",
        "sslkey": f"{folder}/tls.key",
    }


def test_postgres_from_a_dsn(secret, connect):
    secret(dsn=f"host=db password='{PASSWORD}'\n", host="elsewhere")
    assert connect("postgres").conninfo == f"host=db password='{PASSWORD}'"


@pytest.mark.parametrize(
    ("which", "keys", "expected"),
    [
        ("kafka", {"username": "ann"}, "password is missing; username is there and needs it"),
        ("kafka", {"password": PASSWORD}, "username is missing; password is there and needs it"),
        ("kafka", {"tls_crt": "c"}, "tls.key is missing; tls.crt is there and needs it"),
        ("kafka", {"tls_key": "c"}, "tls.crt is missing; tls.key is there and needs it"),
        (
            "kafka",
            {"security__protocol": "SASL_SSL"},
            "username is missing; SASL_SSL needs username and password",
        ),
        (
            "kafka",
            LOGIN | {"security__protocol": "SSL"},
            "security-protocol says SSL, which uses no username",
        ),
        (
            "kafka",
            {"security__protocol": "PLAINTEXT", "ca_crt": "c"},
            "says PLAINTEXT, which uses no certificates",
        ),
        (
            "kafka",
            LOGIN | {"sasl__mechanism": PASSWORD},
            "sasl-mechanism holds something else than is allowed: SCRAM",
        ),
        ("kafka", {"username": "ann", "password": "\n"}, "password is empty; fill it or remove it"),
        ("kafka", {"username": "ann", "password": b"\xff" + PASSWORD.encode()}, "password is not UTF-8 text"),
        ("redis", {"username": "ann"}, "password is missing; username is there and needs it"),
        ("redis", {"ca_crt": "c"}, "redis://valkey:6380/2 speaks no TLS; make it rediss://"),
        ("registry", {"username": "a:b", "password": PASSWORD}, "username has a colon"),
        ("postgres", LOGIN, "dsn is missing, and so is host"),
    ],
)
def test_keys_that_do_not_fit(secret, connect, which, keys, expected):
    folder = secret(**keys)
    with pytest.raises(SecretUnavailable) as caught:
        connect(which)
    assert expected in str(caught.value)
    assert str(folder) in str(caught.value)
    assert PASSWORD not in "".join(traceback.format_exception(caught.value))


def test_a_secret_that_is_not_there_says_how_to_provide_it(tmp_path, monkeypatch, connect):
    monkeypatch.setenv("DOUBLEGATE_SECRETS", str(tmp_path))
    with pytest.raises(SecretUnavailable) as caught:
        connect("kafka")
    message = str(caught.value)
    assert message.startswith(f"spec.kafka.securityRef: there is no folder {tmp_path}/s; ")
    assert "create the Secret s" in message
    assert "DOUBLEGATE_SECRETS" in message


def test_the_default_root(monkeypatch, connect):
    monkeypatch.delenv("DOUBLEGATE_SECRETS", raising=False)
    with pytest.raises(SecretUnavailable, match="/etc/doublegate/secrets/s"):
        connect("kafka")


def test_a_root_given_in_code_wins(tmp_path, secret, changed):
    secret(**LOGIN)
    spec = parse_consumer(changed({"kafka.securityRef": "s"})).spec
    with pytest.raises(SecretUnavailable, match="/elsewhere/s"):
        KafkaConnection.from_spec(spec.kafka, tmp_path / "elsewhere")


@pytest.mark.parametrize("which", ["kafka", "rediss", "registry", "postgres"])
def test_no_connection_shows_its_secret(secret, connect, caplog, which):
    secret(**LOGIN, **({"host": "db"} if which == "postgres" else {}))
    connection = connect(which)
    logging.getLogger("test").error("%s %r", connection, [connection])
    shown = f"{connection} {connection!r} {connection!s} {caplog.text}"
    assert "tr0ub4dor" not in shown
    assert "**********" in shown


def test_the_spec_never_holds_a_secret(secret, changed):
    secret(**LOGIN)
    spec = parse_consumer(changed({"kafka.securityRef": "s"})).spec
    KafkaConnection.from_spec(spec.kafka)
    assert b"tr0ub4dor" not in pickle.dumps(spec)
