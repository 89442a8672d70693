"""Plain values to dataclasses: what fits is taken, everything else named."""

from dataclasses import dataclass, field
from typing import Any, Literal

import pytest

from boxless.errors import BoxlessError
from boxless.plain import from_plain


@dataclass(frozen=True)
class Inner:
    depth: int = 1

    def __post_init__(self) -> None:
        if self.depth < 0:
            raise ValueError("depth is not negative.")


@dataclass(frozen=True)
class Settings:
    name: str
    rate: float = 0.5
    count: int = 3
    on: bool = False
    sizes: tuple[int, ...] = (1, 2)
    rates: tuple[float, ...] | None = None
    way: Literal["left", "right"] = "left"
    limit: int | None = None
    inner: Inner = field(default_factory=Inner)


def test_what_is_left_out_keeps_its_default() -> None:
    assert from_plain(Settings, {"name": "a"}, "here") == Settings("a")


def test_values_take_the_types_asked_for() -> None:
    values = {
        "name": "a",
        "rate": 2,
        "count": 7,
        "on": True,
        "sizes": [3, 4],
        "rates": [1, 2.5],
        "way": "right",
        "limit": 9,
        "inner": {"depth": 5},
    }
    found = from_plain(Settings, values, "here")
    assert found == Settings("a", 2.0, 7, True, (3, 4), (1.0, 2.5), "right", 9, Inner(5))
    assert [type(found.rate), type(found.sizes), type(found.rates[0])] == [float, tuple, float]  # type: ignore[index]


def test_none_is_taken_where_it_may_stand() -> None:
    assert from_plain(Settings, {"name": "a", "limit": None, "rates": None}, "here").limit is None


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"name": 3}, "name is 3, which is no str"),
        ({"count": "3"}, "count is '3', which is no int"),
        ({"count": 3.0}, r"count is 3\.0, which is no int"),
        ({"count": True}, "count is True, which is no int"),
        ({"count": None}, "count is None, which is no int"),
        ({"rate": "0.5"}, r"rate is '0\.5', which is no float"),
        ({"rate": False}, "rate is False, which is no float"),
        ({"rate": float("nan")}, "rate is nan, which is no float"),
        ({"rate": float("inf")}, "rate is inf, which is no float"),
        ({"rate": 10**400}, "which is no float"),
        ({"on": 1}, "on is 1, which is no bool"),
        ({"on": "yes"}, "on is 'yes', which is no bool"),
        ({"sizes": 3}, "sizes is 3"),
        ({"sizes": "12"}, "sizes is '12'"),
        ({"sizes": [1, "2"]}, "sizes is '2', which is no int"),
        ({"sizes": None}, "sizes is None"),
        ({"rates": [0.5, None]}, "rates is None, which is no float"),
        ({"way": "up"}, 'way is \'up\', which is not "left" or "right"'),
        ({"way": ["left"]}, r"way is \['left'\]"),
        ({"limit": 2.5}, r"limit is 2\.5, which is no int"),
        ({"inner": 4}, "inner holds 4, where names and values are needed"),
        ({"inner": {"depth": "1"}}, "inner: depth is '1', which is no int"),
        ({"inner": {"width": 1}}, "inner has the unknown width; known are depth"),
        ({"inner": {"depth": -1}}, r"inner: depth is not negative\."),
        ({"rat": 1}, "here has the unknown rat; known are name, rate"),
        ({1: 1}, "here has the unknown 1"),
    ],
)
def test_a_value_that_does_not_fit_is_named_with_its_place(values: dict[Any, Any], message: str) -> None:
    with pytest.raises(BoxlessError, match=message) as caught:
        from_plain(Settings, {"name": "a"} | values, "here")
    assert str(caught.value).startswith("here")


def test_a_required_value_is_missed() -> None:
    with pytest.raises(BoxlessError, match="here lacks name; add it"):
        from_plain(Settings, {"rate": 1.0}, "here")


@pytest.mark.parametrize("values", [None, 3, "name", ["name"], [("name", "a")]])
def test_only_a_mapping_has_names(values: object) -> None:
    with pytest.raises(BoxlessError, match="where names and values are needed"):
        from_plain(Settings, values, "here")
