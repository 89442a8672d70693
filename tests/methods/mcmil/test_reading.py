import math

import pytest
import torch
from torch import Tensor

from boxless.methods.mcmil.reading import columns_read, reading_order


@pytest.mark.parametrize("angle", [0, 30, -40, 60, 90, -80, 120, 180])
def test_the_order_along_a_line_of_any_slope(angle: int) -> None:
    direction = torch.tensor([math.cos(math.radians(angle)), math.sin(math.radians(angle))])
    along = torch.tensor([0.0, 20.0, 41.0, 60.0])
    across = torch.tensor([1.0, -1.5, 0.5, 1.0])
    points = 50 + along[:, None] * direction + across[:, None] * direction.flip(0) * torch.tensor([-1.0, 1.0])
    shuffled = torch.tensor([2, 0, 3, 1])
    order = shuffled[reading_order(points[shuffled])].tolist()
    steep = abs(direction[1]) > abs(direction[0])
    forward = direction[1] > 0 if steep else direction[0] > 0
    assert order == ([0, 1, 2, 3] if forward else [3, 2, 1, 0])


def test_no_point_and_one_point() -> None:
    assert reading_order(torch.zeros(0, 2)).tolist() == []
    assert reading_order(torch.tensor([[3.0, 4.0]])).tolist() == [0]


def columns(text: str, rows: int = 3) -> Tensor:
    """(1, 11, rows, N): digits emitted in the middle row, blanks are background."""
    p = torch.zeros(11, rows, len(text))
    p[10] = 1.0
    for x, character in enumerate(text):
        if character != " ":
            p[:, 1, x] = 0.0
            p[int(character), 1, x] = 0.9
            p[10, 1, x] = 0.1
    return p[None]


def test_the_papers_rule_reads_its_own_example() -> None:
    assert columns_read(columns(" 11111 55 22222")) == [(1, 5, 2)]
    assert columns_read(columns("11 1144   ")) == [(1, 1, 4)]
    assert columns_read(columns("     ")) == [()]


def test_a_column_says_its_surest_class() -> None:
    p = columns("7 ")
    p[0, :, 0, 0] = 0.0
    p[0, 3, 0, 0], p[0, 10, 0, 0] = 0.95, 0.05  # above the 7
    assert columns_read(p) == [(3,)]
