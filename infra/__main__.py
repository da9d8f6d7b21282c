"""Pulumi's program: `pulumi up` in the repository's root."""

import sys
from importlib import import_module
from pathlib import Path

# The engine runs this folder and not the repository, where `infra` is found by its name.
sys.path.append(str(Path(__file__).resolve().parents[1]))
import_module("infra.stack").run()
