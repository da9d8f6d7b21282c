"""How a field is named in reports and declarations: `order.items[].sku`, `labels{}`."""

__all__ = ["below", "items", "values"]


def below(path: str, name: str) -> str:
    """A field of what is at `path`."""
    return f"{path}.{name}" if path else name


def items(path: str) -> str:
    """The items of the array at `path`."""
    return f"{path}[]"


def values(path: str) -> str:
    """The values of the map at `path`."""
    return f"{path}{{}}"
