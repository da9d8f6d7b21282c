"""Files from Maven Central, each one verified against the lock.

jgo fetches them; it resolves nothing here, the lock already names every file. A file is downloaded aside,
verified and then moved to its place, so that an interrupted run leaves only complete files behind and the
next run goes on from there.
"""

from __future__ import annotations

import logging
import shutil
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import requests
from jgo.maven import MavenContext, PythonResolver
from tenacity import (
    before_sleep_log,
    retry,
    retry_if_exception_type,
    stop_after_attempt,
    wait_exponential_jitter,
)

from doublegate.local.errors import CorruptArtifactError, LocalStackError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from doublegate.local.artifacts import Artifact

PARALLEL = 6
HTTP_TIMEOUT = 60
ATTEMPTS = 4
ASIDE = "download-"
PROGRESS_SECONDS = 2.0

_log = logging.getLogger(__name__)


class Meter:
    """Counts the bytes of all downloads together and tells of them now and then."""

    def __init__(self, name: str, total: int, on_progress: Callable[[str], None]) -> None:
        self._name = name
        self._total = total
        self._on_progress = on_progress
        self._done = 0
        self._told = time.monotonic()
        self._lock = threading.Lock()

    @contextmanager
    def file(self, _name: str, _size: int) -> Iterator[Callable[[int], None]]:
        """The form that jgo wants: a context for each file, that takes the sizes of its pieces."""
        yield self._add

    def tell(self) -> None:
        """Tell how far it is."""
        self._told = time.monotonic()
        self._on_progress(f"downloading {self._name}: {self._done >> 20} of {self._total >> 20} MiB")

    def _add(self, size: int) -> None:
        with self._lock:
            self._done += size
            if time.monotonic() - self._told > PROGRESS_SECONDS:
                self.tell()


def fetch(name: str, wanted: Sequence[Artifact], into: Path, on_progress: Callable[[str], None]) -> None:
    """Bring files into a directory, several at a time; the caller holds the lock of the installation.

    Raises:
        CorruptArtifactError: When a file is not the one that the lock names.
        LocalStackError: When the repository can't be reached.
    """
    if not wanted:
        return
    into.mkdir(parents=True, exist_ok=True)
    for stale in into.glob(f"{ASIDE}*"):  # of a run that was killed
        shutil.rmtree(stale)
    meter = Meter(name, sum(artifact.size for artifact in wanted), on_progress)
    meter.tell()
    with ThreadPoolExecutor(PARALLEL) as pool:
        list(pool.map(lambda artifact: _fetch_one(artifact, into, meter), wanted))
    meter.tell()


def _fetch_one(artifact: Artifact, into: Path, meter: Meter) -> None:
    try:
        _download(artifact, into, meter)
    except CorruptArtifactError:
        raise
    except (requests.RequestException, RuntimeError) as error:  # jgo says with the latter: not there
        raise LocalStackError(
            f"can't download {artifact.coordinate}: {error}; check the network and start again, "
            "files that are complete are kept"
        ) from error


@retry(
    retry=retry_if_exception_type(requests.RequestException),
    stop=stop_after_attempt(ATTEMPTS),
    wait=wait_exponential_jitter(initial=1, max=10),
    before_sleep=before_sleep_log(_log, logging.WARNING),
    reraise=True,
)
def _download(artifact: Artifact, into: Path, meter: Meter) -> None:
    group, name, version, packaging, classifier = artifact.parts
    with tempfile.TemporaryDirectory(prefix=ASIDE, dir=into) as aside:
        resolver = PythonResolver(progress_callback=meter.file)
        context = MavenContext(resolver, repo_cache=Path(aside), timeout=HTTP_TIMEOUT)
        path = context.project(group, name).at_version(version).artifact(classifier, packaging).resolve()
        artifact.verify(path)
        path.replace(into / artifact.filename)
