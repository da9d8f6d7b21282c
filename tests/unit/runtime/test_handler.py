import functools
import sys
from typing import Any

import pytest
from pydantic import BaseModel

from doublegate.runtime.event import Context, Event
from doublegate.runtime.handler import HandlerError, Value, inspect_handler, load_handler


class Order(BaseModel):
    id: int


def takes_model(event: Event[Order]) -> None: ...
def takes_optional_model(event: Event[Order | None]) -> None: ...
def takes_bytes(event: Event[bytes]) -> None: ...
def takes_dict(event: Event[dict[str, Any]]) -> None: ...
def takes_bare_event(event: Event) -> None: ...  # type: ignore[type-arg]
def takes_unannotated(event): ...  # type: ignore[no-untyped-def]
def takes_batch(events: list[Event[Order]]) -> None: ...
def takes_context(event: Event[bytes], ctx: Context) -> None: ...
def takes_second_unannotated(event: Event[bytes], ctx) -> None: ...  # type: ignore[no-untyped-def]
def takes_own_default(event: Event[bytes], retries: int = 3) -> None: ...
async def is_async(event: Event[bytes]) -> None: ...


class CallableObject:
    async def __call__(self, events: list[Event[bytes]], ctx: Context) -> None: ...


class Namespace:
    @staticmethod
    def method(event: Event[bytes]) -> None: ...


@pytest.mark.parametrize(
    ("function", "value", "model", "nullable"),
    [
        (takes_model, Value.MODEL, Order, False),
        (takes_optional_model, Value.MODEL, Order, True),
        (takes_bytes, Value.RAW, None, False),
        (takes_dict, Value.RECORD, None, False),
        (takes_bare_event, Value.RECORD, None, True),
        (takes_unannotated, Value.RECORD, None, True),
        (takes_batch, Value.MODEL, Order, False),
    ],
)
def test_the_annotation_says_what_the_value_is(
    function: Any, value: Value, model: Any, nullable: bool
) -> None:
    handler = inspect_handler(function)
    assert (handler.value, handler.model, handler.nullable) == (value, model, nullable)


def test_batch_context_and_async_are_recognised() -> None:
    assert [inspect_handler(f).batch for f in (takes_model, takes_batch)] == [False, True]
    assert [
        inspect_handler(f).takes_context
        for f in (takes_bytes, takes_context, takes_second_unannotated, takes_own_default)
    ] == [False, True, True, False]
    assert [inspect_handler(f).is_async for f in (takes_bytes, is_async)] == [False, True]


def test_callable_objects_and_partials_are_handlers() -> None:
    handler = inspect_handler(CallableObject())
    assert (handler.is_async, handler.batch, handler.takes_context) == (True, True, True)
    bound = inspect_handler(functools.partial(takes_own_default, retries=5))
    assert (bound.value, bound.takes_context) == (Value.RAW, False)


def no_parameters() -> None: ...
def three(event: Event[bytes], ctx: Context, more: int) -> None: ...
def keyword_only(event: Event[bytes], *, more: int) -> None: ...
def wrong_first(event: str) -> None: ...
def wrong_value(event: Event[int]) -> None: ...
def wrong_batch(events: list[int]) -> None: ...
def unresolved(event: "Event[Nowhere]") -> None: ...  # type: ignore[name-defined]  # noqa: F821


@pytest.mark.parametrize(
    ("function", "found"),
    [
        (no_parameters, "()"),
        (three, "more: int"),
        (keyword_only, "more: int"),
        (wrong_first, "str"),
        (wrong_value, "Event[int]"),
        (wrong_batch, "int"),
        (unresolved, "Nowhere"),
        (Order, "not a function"),
        (3, "3"),
    ],
)
def test_a_wrong_signature_names_function_found_and_allowed(function: Any, found: str) -> None:
    with pytest.raises(HandlerError) as raised:
        inspect_handler(function, "shop:handle")
    message = str(raised.value)
    assert "shop:handle" in message
    assert found in message
    assert "allowed: one parameter `Event[T]`" in message


def test_load_by_name() -> None:
    assert load_handler(f"{__name__}:takes_model").function is takes_model
    assert load_handler(f"{__name__}:Namespace.method").function is Namespace.method


@pytest.mark.parametrize(
    ("reference", "says"),
    [
        ("shop.payments", "not of the form"),
        ("shop:", "not of the form"),
        ("no_such_module_:charge", "No module named 'no_such_module_'"),
        (f"{__name__}:missing", "no attribute 'missing'"),
    ],
)
def test_a_reference_that_leads_nowhere_says_why(reference: str, says: str) -> None:
    with pytest.raises(HandlerError, match=r"^handler\.python: ") as raised:
        load_handler(reference)
    assert says in str(raised.value)


def test_a_module_that_fails_to_import_is_the_cause(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "broken_handler_module.py").write_text("1 / 0\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(HandlerError, match="ZeroDivisionError") as raised:
        load_handler("broken_handler_module:charge")
    assert isinstance(raised.value.__cause__, ZeroDivisionError)
    assert "broken_handler_module" not in sys.modules
