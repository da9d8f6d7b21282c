"""Settings of the stack's own brokers, as environment of the image apache/kafka."""

from __future__ import annotations

from infra.addresses import KAFKA, host
from infra.objects import Object
from infra.sections import StandaloneKafka

__all__ = ["BROKERS", "CONTROLLER", "INNER", "SUPER_USER", "TLS", "environment"]

CONTROLLER, INNER = 9093, 9091
BROKERS = "kafka-brokers"
SUPER_USER = "doublegate-kafka"
"""Common name of the brokers' certificate, whose bearer may do everything."""
TLS = "/etc/kafka/tls"

_SECURE = {
    "LISTENER_SECURITY_PROTOCOL_MAP": "CLIENTS:SASL_SSL,INNER:SSL,CONTROLLER:SSL",
    "SASL_ENABLED_MECHANISMS": "SCRAM-SHA-512",
    "LISTENER_NAME_CLIENTS_SCRAM___SHA___512_SASL_JAAS_CONFIG": (
        "org.apache.kafka.common.security.scram.ScramLoginModule required;"
    ),
    "LISTENER_NAME_CLIENTS_SASL_ENABLED_MECHANISMS": "SCRAM-SHA-512",
    "LISTENER_NAME_INNER_SSL_CLIENT_AUTH": "required",
    "LISTENER_NAME_CONTROLLER_SSL_CLIENT_AUTH": "required",
    "SSL_KEYSTORE_TYPE": "PEM",
    "SSL_KEYSTORE_LOCATION": f"{TLS}/keystore.pem",
    "SSL_TRUSTSTORE_TYPE": "PEM",
    "SSL_TRUSTSTORE_LOCATION": f"{TLS}/ca.crt",
    "AUTHORIZER_CLASS_NAME": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
    "SUPER_USERS": f"User:CN={SUPER_USER}",
    "ALLOW_EVERYONE_IF_NO_ACL_FOUND": "false",
}
_PLAIN = {"LISTENER_SECURITY_PROTOCOL_MAP": "CLIENTS:PLAINTEXT,INNER:PLAINTEXT,CONTROLLER:PLAINTEXT"}


def environment(args: StandaloneKafka, namespace: str, heap_mebibytes: int) -> list[Object]:
    """Of each broker; its number and name are the pod's."""
    copies = str(args.brokers)
    enough = str(max(1, args.brokers - 1))
    brokers = host(BROKERS, namespace)
    voters = ",".join(f"{number}@kafka-{number}.{brokers}:{CONTROLLER}" for number in range(args.brokers))
    settings = {
        "PROCESS_ROLES": "broker,controller",
        "LISTENERS": f"CLIENTS://:{KAFKA},INNER://:{INNER},CONTROLLER://:{CONTROLLER}",
        "ADVERTISED_LISTENERS": (
            f"CLIENTS://$(POD_NAME).{brokers}:{KAFKA},INNER://$(POD_NAME).{brokers}:{INNER}"
        ),
        "INTER_BROKER_LISTENER_NAME": "INNER",
        "CONTROLLER_LISTENER_NAMES": "CONTROLLER",
        "CONTROLLER_QUORUM_VOTERS": voters,
        "LOG_DIRS": "/var/lib/kafka/data/logs",  # not the volume's root, which may hold lost+found
        "AUTO_CREATE_TOPICS_ENABLE": "false",
        "DEFAULT_REPLICATION_FACTOR": copies,
        "MIN_INSYNC_REPLICAS": enough,
        "OFFSETS_TOPIC_REPLICATION_FACTOR": copies,
        "TRANSACTION_STATE_LOG_REPLICATION_FACTOR": copies,
        "TRANSACTION_STATE_LOG_MIN_ISR": enough,
        "SHARE_COORDINATOR_STATE_TOPIC_REPLICATION_FACTOR": copies,
        "SHARE_COORDINATOR_STATE_TOPIC_MIN_ISR": enough,
        **(_SECURE if args.secure else _PLAIN),
    }
    return [
        {"name": "POD_NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
        {
            "name": "KAFKA_NODE_ID",
            "valueFrom": {"fieldRef": {"fieldPath": "metadata.labels['apps.kubernetes.io/pod-index']"}},
        },
        {"name": "KAFKA_HEAP_OPTS", "value": f"-Xms{heap_mebibytes}m -Xmx{heap_mebibytes}m"},
        *({"name": f"KAFKA_{name}", "value": value} for name, value in settings.items()),
    ]
