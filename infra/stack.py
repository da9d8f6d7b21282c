"""The program as the engine runs it: read the configuration, make the platform, say where it answers."""

from __future__ import annotations

import pulumi
from pulumi.runtime.config import CONFIG, get_config_env, get_config_secret_keys_env, is_config_secret

from infra.components.conditions import conditions_hook
from infra.program import outputs, platform
from infra.settings import NAMESPACE, InvalidSettings, read_settings

__all__ = ["run"]


def run() -> None:
    """Do it.

    Raises:
        RunError: the configuration is not valid; the engine shows its lines without a traceback.
    """
    prefix = f"{NAMESPACE}:"
    given = {**get_config_env(), **CONFIG.get()}
    values = {key.removeprefix(prefix): value for key, value in given.items() if key.startswith(prefix)}
    encrypted = set(get_config_secret_keys_env())
    secrets = frozenset(
        key.removeprefix(prefix) for key in given if key in encrypted or is_config_secret(key)
    )
    try:
        settings = read_settings(values, secrets)
        platform(settings, conditions_hook(settings.cluster, settings.namespace))
    except InvalidSettings as error:
        raise pulumi.RunError(str(error)) from None
    for name, value in outputs(settings).items():
        pulumi.export(name, value)
