"""`python -m tools.crds`: write the definitions and JSON schemas; `--check` says whether they are stale."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import yaml

from tools.crds.definitions import definitions
from tools.crds.json_schemas import json_schemas

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "charts" / "doublegate-crds" / "files"
SCHEMAS = ROOT / "deploy" / "schemas"
"""For kubeconform and editors of those who write resources."""
HEADER = "# Made by `python -m tools.crds` from doublegate.contract: change the models, not this file.\n"


def rendered() -> dict[Path, str]:
    """What the files shall hold."""
    made = definitions()
    files = {
        FOLDER / f"{name}.yaml": HEADER + yaml.safe_dump(one, sort_keys=False, width=110)
        for name, one in made.items()
    }
    return files | {
        SCHEMAS / name: json.dumps(schema, indent=1) + "\n"
        for one in made.values()
        for name, schema in json_schemas(one).items()
    }


def main() -> int:
    """Write or check."""
    parser = argparse.ArgumentParser(prog="python -m tools.crds", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; fail when a file is stale")
    check = parser.parse_args().check
    stale = [path for path, text in rendered().items() if not path.exists() or path.read_text() != text]
    for path in stale:
        if check:
            print(f"{path} is stale: run `python -m tools.crds`", file=sys.stderr)  # noqa: T201
        else:
            path.write_text(rendered()[path])
    return 1 if check and stale else 0


if __name__ == "__main__":
    sys.exit(main())
