"""Loads a handler by its name and learns from its signature how to call it."""

import functools
import importlib
import inspect
import types
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from pydantic import BaseModel

from doublegate.contract.errors import DoublegateError
from doublegate.runtime.event import Context, Event

__all__ = ["Handler", "HandlerError", "Value", "inspect_handler", "load_handler"]

_ALLOWED = (
    "allowed: one parameter `Event[T]`, or `list[Event[T]]` for batches, and optionally a second, `Context`; "
    "T is a pydantic model, dict, Any or bytes, or one of them `| None` to take tombstones"
)


class HandlerError(DoublegateError):
    """`handler.python` names nothing that can be called as a handler."""


class Value(Enum):
    """What the handler takes as `Event.value`."""

    RAW = auto()
    """The payload's bytes, untouched."""
    RECORD = auto()
    """The decoded record."""
    MODEL = auto()
    """The decoded record, validated as a pydantic model."""


@dataclass(frozen=True, slots=True)
class Handler:
    """A callable and how to call it.

    Attributes:
        name: for logs and errors.
        function: takes an event or, for batches, a list of them, and the context if `takes_context`.
        is_async: it returns an awaitable.
        batch: it takes a list.
        takes_context: it has a second parameter.
        value: what `Event.value` shall be.
        model: the pydantic model, for `Value.MODEL`.
        nullable: it takes tombstones, as None.
        close: awaited when the executor stops, on the handler's own event loop.
    """

    name: str
    function: Callable[..., Any]
    is_async: bool
    batch: bool
    takes_context: bool
    value: Value
    model: type[BaseModel] | None = None
    nullable: bool = False
    close: Callable[[], Awaitable[None]] | None = None


def load_handler(reference: str) -> Handler:
    """Load `module:function` (or `module:Object.method`).

    Raises:
        HandlerError: there is no such module or function, or its signature is no handler's.
    """
    module_name, colon, path = reference.partition(":")
    if not (module_name and colon and path):
        raise HandlerError(f"handler.python: {reference!r} is not of the form 'package.module:function'")
    try:
        found: Any = importlib.import_module(module_name)
    except Exception as error:
        raise HandlerError(
            f"handler.python: module {module_name!r} cannot be imported: {type(error).__name__}: {error}"
        ) from error
    for name in path.split("."):
        if not hasattr(found, name):
            raise HandlerError(f"handler.python: {reference!r}: {found!r} has no attribute {name!r}")
        found = getattr(found, name)
    return inspect_handler(found, reference)


def inspect_handler(function: Any, name: str = "") -> Handler:
    """Classify a callable by its signature.

    Raises:
        HandlerError: it is not callable, or its parameters are no handler's; the message says what was found.
    """
    name = name or getattr(function, "__qualname__", repr(function))
    if not callable(function) or inspect.isclass(function):
        raise HandlerError(f"handler {name}: found {function!r}, which is not a function; {_ALLOWED}")
    code = function
    while isinstance(code, functools.partial):
        code = code.func
    if not inspect.isroutine(code):
        code = type(code).__call__
    try:
        signature = inspect.signature(function)
        hints = get_type_hints(code)
    except NameError as error:
        raise HandlerError(
            f"handler {name}: an annotation names what its module does not have at run time: {error} "
            f"(imported only under TYPE_CHECKING, or defined inside a function?); {_ALLOWED}"
        ) from error
    except (TypeError, ValueError) as error:
        raise HandlerError(f"handler {name}: its signature cannot be read: {error}; {_ALLOWED}") from error
    positional, required = _positional(name, signature)
    batch, value = _event_type(name, hints.get(positional[0].name, Any))
    kind, model, nullable = _value_type(name, value)
    return Handler(
        name=name,
        function=function,
        is_async=inspect.iscoroutinefunction(code),
        batch=batch,
        takes_context=len(positional) > 1 and (required > 1 or _is_context(hints, positional[1])),
        value=kind,
        model=model,
        nullable=nullable,
    )


def _positional(name: str, signature: inspect.Signature) -> tuple[list[inspect.Parameter], int]:
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    positional = [p for p in signature.parameters.values() if p.kind in kinds]
    required = [p for p in positional if p.default is p.empty]
    keyword_only = [
        p for p in signature.parameters.values() if p.kind is p.KEYWORD_ONLY and p.default is p.empty
    ]
    if not positional or len(required) > 2 or keyword_only:
        raise HandlerError(f"handler {name}: found parameters {signature}; {_ALLOWED}")
    return positional, len(required)


def _is_context(hints: dict[str, Any], parameter: inspect.Parameter) -> bool:
    hint = hints.get(parameter.name)
    return hint is Context or Context in get_args(hint)


def _event_type(name: str, hint: Any) -> tuple[bool, Any]:
    batch = get_origin(hint) is list or hint is list
    if batch:
        hint = (get_args(hint) or (Any,))[0]
    if hint is Any or hint is Event:
        return batch, Any
    if get_origin(hint) is not Event:
        raise HandlerError(f"handler {name}: found a first parameter of type {hint!r}; {_ALLOWED}")
    return batch, get_args(hint)[0]


def _value_type(name: str, hint: Any) -> tuple[Value, type[BaseModel] | None, bool]:
    if hint is Any or isinstance(hint, TypeVar):
        return Value.RECORD, None, True
    nullable = False
    if get_origin(hint) in (Union, types.UnionType):
        options = get_args(hint)
        nullable = type(None) in options
        rest = [option for option in options if option is not type(None)]
        hint = rest[0] if len(rest) == 1 else hint
    if hint is bytes:
        return Value.RAW, None, nullable
    if hint is dict or get_origin(hint) is dict:
        return Value.RECORD, None, nullable
    if inspect.isclass(hint) and issubclass(hint, BaseModel):
        return Value.MODEL, hint, nullable
    raise HandlerError(f"handler {name}: found Event[{getattr(hint, '__name__', hint)}]; {_ALLOWED}")
