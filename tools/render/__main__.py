"""`python -m tools.render`: write the trees anew; `--check` says what is stale; `--pin` sets a digest."""

from __future__ import annotations

import argparse
import sys

from tools.render.pin import PinError, pinned
from tools.render.platform import GITOPS, made, settings
from tools.render.trees import TREES, health_settings, trees

IMAGES = GITOPS / "images" / "kustomization.yaml"


def rendered() -> dict[str, str]:
    """What the files shall hold, by their paths below `deploy/gitops`."""
    scripts = {path.stem: path.read_text() for path in (GITOPS / "argocd" / "health").glob("*.lua")}
    return {**trees(made(settings())), "argocd/health/argocd-cm.yaml": health_settings(scripts)}


def main() -> int:
    """Write, check or pin."""
    parser = argparse.ArgumentParser(prog="python -m tools.render", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; fail when a file is stale")
    parser.add_argument("--pin", metavar="NAME@sha256:...", help="write this digest into images/")
    arguments = parser.parse_args()
    if arguments.pin:
        try:
            IMAGES.write_text(pinned(IMAGES.read_text(), arguments.pin))
        except PinError as error:
            sys.exit(str(error))
        return 0
    wanted = {GITOPS / path: text for path, text in rendered().items()}
    left = {path for tree in TREES for path in (GITOPS / tree).glob("*.yaml")} - set(wanted)
    stale = [path for path, text in wanted.items() if not path.exists() or path.read_text() != text]
    for path in [*stale, *sorted(left)]:
        if arguments.check:
            print(f"{path} is stale: run `make render`", file=sys.stderr)  # noqa: T201
        elif path in left:
            path.unlink()
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(wanted[path])
    return 1 if arguments.check and (stale or left) else 0


if __name__ == "__main__":
    sys.exit(main())
