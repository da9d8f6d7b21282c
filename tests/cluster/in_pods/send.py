"""Runs in a pod: sends mails, all of them twice, each event with a trace, under a schema."""

import os
from pathlib import Path

from doublegate import Producer
from doublegate.schemas import Encoder, Registry
from doublegate.telemetry.tracing import Tracing

SCHEMA = '{"type": "record", "name": "Mail", "fields": [{"name": "to", "type": "string"}]}'

topic, ids = os.environ["TOPIC"], os.environ["IDS"].split()
encoder = Encoder(Registry(os.environ["REGISTRY"]), f"{topic}-value", SCHEMA)
tracing = Tracing(service="shop", endpoint=os.environ["OTLP"])
login = Path("/etc/login")
kafka = {"bootstrap.servers": os.environ["BOOTSTRAP_SERVERS"]}
if login.exists():
    kafka |= {
        "security.protocol": "SASL_SSL",
        "sasl.mechanism": "SCRAM-SHA-512",
        "sasl.username": (login / "username").read_text(),
        "sasl.password": (login / "password").read_text(),
        "ssl.ca.location": str(login / "ca.crt"),
    }
with Producer(kafka, encoder=encoder, tracing=tracing, sample_ratio=1.0) as producer:
    for event_id in (*ids, *ids):
        producer.produce(topic, {"to": event_id}, key=event_id, event_id=event_id)
tracing.shutdown()
