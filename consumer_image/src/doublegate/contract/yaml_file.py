"""Reads the one YAML document of a file."""

from pathlib import Path

import yaml

from doublegate.contract.errors import InvalidConsumer, InvalidResource, Problem

__all__ = ["read_mapping"]


def read_mapping(path: Path, invalid: type[InvalidResource] = InvalidConsumer) -> object:
    """The document's content.

    Args:
        path: the file.
        invalid: the error to raise.

    Raises:
        InvalidResource: of that kind: the file is not readable, not YAML, or holds none or several documents.
    """

    def wrong(text: str) -> InvalidResource:
        return invalid(str(path), [Problem("", text)])

    try:
        documents = list(yaml.safe_load_all(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise wrong(f"cannot be read: {error.strerror}; give the path of a YAML file") from None
    except UnicodeDecodeError as error:
        raise wrong(f"is not UTF-8 at byte {error.start}; save it as UTF-8") from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = f" at line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        raise wrong(f"is not YAML{where}: {error.problem}") from None
    except yaml.YAMLError as error:
        raise wrong(f"is not YAML: {error}") from None
    if len(documents) != 1:
        raise wrong(f"holds {len(documents)} YAML documents; allowed: exactly one")
    return documents[0]
