"""Reads the one YAML document of a file."""

from pathlib import Path

import yaml

from doublegate.contract.errors import InvalidConsumer, Problem

__all__ = ["read_mapping"]


def read_mapping(path: Path) -> object:
    """The document's content.

    Raises:
        InvalidConsumer: the file is not readable, not YAML, or holds none or several documents.
    """
    try:
        documents = list(yaml.safe_load_all(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise _invalid(path, f"cannot be read: {error.strerror}; give the path of a YAML file") from None
    except UnicodeDecodeError as error:
        raise _invalid(path, f"is not UTF-8 at byte {error.start}; save it as UTF-8") from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = f" at line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        raise _invalid(path, f"is not YAML{where}: {error.problem}") from None
    except yaml.YAMLError as error:
        raise _invalid(path, f"is not YAML: {error}") from None
    if len(documents) != 1:
        raise _invalid(
            path, f"holds {len(documents)} YAML documents; allowed: exactly one IdempotentConsumer"
        )
    return documents[0]


def _invalid(path: Path, text: str) -> InvalidConsumer:
    return InvalidConsumer(str(path), [Problem("", text)])
