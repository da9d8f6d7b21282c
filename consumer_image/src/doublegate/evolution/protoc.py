"""From a `.proto` file to its descriptor, by protoc itself, which comes with grpcio-tools."""

import subprocess
import sys
from base64 import b64decode
from pathlib import Path
from tempfile import TemporaryDirectory

from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet
from google.protobuf.message import DecodeError

from doublegate.evolution.errors import CannotCheck

__all__ = ["descriptor_of", "registered_descriptor"]

_NAME = "schema.proto"
_SECONDS = 60

# The well-known types are grpcio-tools' own; they are found relative to its module.
_RUN = (
    "import sys, pathlib, grpc_tools.protoc as p; "
    "sys.exit(p.main([*sys.argv, '-I' + str(pathlib.Path(p.__file__).parent / '_proto')]))"
)


def descriptor_of(text: str, label: str) -> FileDescriptorProto:
    """The file's descriptor; its own imports are not in it.

    Args:
        text: the file, or a serialised descriptor in base64.
        label: what messages call it.

    Raises:
        CannotCheck: it is no Protobuf file, it imports others than Google's, or protoc is not there.
    """
    registered = registered_descriptor(text)
    return registered if registered is not None else _compiled(text, label)


def registered_descriptor(text: str) -> FileDescriptorProto | None:
    """What a registry holds as a serialised descriptor in base64; None when it is a `.proto` file."""
    try:
        return FileDescriptorProto.FromString(b64decode(text, validate=True))
    except (ValueError, DecodeError):
        return None


def _compiled(text: str, label: str) -> FileDescriptorProto:
    with TemporaryDirectory() as folder:
        (Path(folder) / _NAME).write_text(text)
        out = Path(folder) / "out"
        # A process of its own: protoc reports on the standard error of the process it runs in.
        ended = subprocess.run(
            [sys.executable, "-c", _RUN, f"-I{folder}", f"--descriptor_set_out={out}", _NAME],
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            check=False,
        )
        if "No module named 'grpc_tools'" in ended.stderr:
            raise CannotCheck(
                f"{label}: Protobuf files are compiled with grpcio-tools, which is not installed; install "
                "doublegate[schema-check]"
            )
        if ended.returncode:
            why = "; ".join(line.removeprefix(f"{_NAME}:") for line in ended.stderr.splitlines()[:3])
            raise CannotCheck(
                f"{label}: protoc refuses it: {why}; correct the file, and define in it what it imports "
                "(only Google's own files can be imported)"
            )
        return FileDescriptorSet.FromString(out.read_bytes()).file[0]
