"""Makes Kafka's users and rights as `users.json` has them, and removes others: the brokers are the stack's.

It runs in a pod of the consumer's image, with the brokers' certificate.
"""

# The types of the client are not what it takes.
# mypy: disable-error-code="attr-defined,union-attr,misc,arg-type,list-item,operator"

from __future__ import annotations

import json
import os
from pathlib import Path

from confluent_kafka.admin import (
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialDeletion,
    UserScramCredentialUpsertion,
)

SECONDS = 60
TLS = Path("/etc/kafka/tls")
PASSWORDS = Path("/etc/kafka/passwords")
USERS = Path("/app/users.json")
ITERATIONS = 8192


def main() -> None:
    """Make them."""
    broker = {
        "bootstrap.servers": os.environ["BOOTSTRAP_SERVERS"],
        "security.protocol": "SSL",
        "ssl.ca.location": str(TLS / "ca.crt"),
        "ssl.certificate.location": str(TLS / "tls.crt"),
        "ssl.key.location": str(TLS / "tls.key"),
    }
    with AdminClient(broker) as admin:
        make(admin)


def make(admin: AdminClient) -> None:
    """Change what differs."""
    users = json.loads(USERS.read_text())
    known = set(admin.describe_user_scram_credentials().result(SECONDS))
    how = ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, ITERATIONS)
    changes = [
        UserScramCredentialUpsertion(user, how, (PASSWORDS / user).read_bytes().strip()) for user in users
    ]
    changes += [
        UserScramCredentialDeletion(user, ScramMechanism.SCRAM_SHA_512) for user in sorted(known - set(users))
    ]
    for change in admin.alter_user_scram_credentials(changes).values() if changes else ():
        change.result(SECONDS)

    wanted = {binding(user, right) for user, rights in users.items() for right in rights}
    anything = AclBindingFilter(
        ResourceType.ANY, None, ResourcePatternType.ANY, None, None, AclOperation.ANY, AclPermissionType.ANY
    )
    present = set(admin.describe_acls(anything).result(SECONDS))
    # First what is missing: nobody loses a right for a moment.
    for made in admin.create_acls(sorted(wanted - present, key=str)).values() if wanted - present else ():
        made.result(SECONDS)
    surplus = [exactly(acl) for acl in present - wanted]
    for removed in admin.delete_acls(surplus).values() if surplus else ():
        removed.result(SECONDS)
    print(f"{len(users)} users, {len(wanted)} rights, {len(surplus)} removed")  # noqa: T201


def binding(user: str, right: dict[str, str]) -> AclBinding:
    """One right of one user, from anywhere."""
    return AclBinding(
        ResourceType[right["resource"]],
        right["name"],
        ResourcePatternType.LITERAL,
        f"User:{user}",
        "*",
        AclOperation[right["operation"]],
        AclPermissionType.ALLOW,
    )


def exactly(acl: AclBinding) -> AclBindingFilter:
    """A filter that finds this one alone."""
    return AclBindingFilter(
        acl.restype,
        acl.name,
        acl.resource_pattern_type,
        acl.principal,
        acl.host,
        acl.operation,
        acl.permission_type,
    )


if __name__ == "__main__":
    main()
