"""Which pixels are image."""

import numpy as np
import pytest
import torch

from boxless.ops.padding import inside, repeat_edges


@pytest.mark.parametrize("border", [0, 2, 5])
def test_the_inner_part_of_each_extent_by_a_loop(border: int) -> None:
    extents = torch.tensor([[9, 14], [12, 7], [3, 14], [1, 2]])
    expected = torch.zeros(4, 12, 14, dtype=torch.bool)
    for image, (height, width) in zip(expected, extents.tolist(), strict=True):
        rows, columns = min(border, (height - 1) // 2), min(border, (width - 1) // 2)
        for y in range(rows, height - rows):
            for x in range(columns, width - columns):
                image[y, x] = True
    assert torch.equal(inside(extents, border, torch.zeros(4, 12, 14)), expected)


def test_edges_are_repeated_where_images_are_padded() -> None:
    extents = torch.tensor([[5, 9], [8, 3], [8, 9], [1, 1]])
    images = torch.rand(4, 2, 8, 9)
    for own, image, (height, width) in zip(repeat_edges(images, extents), images, extents.tolist(), strict=True):
        expected = np.pad(image[:, :height, :width].numpy(), ((0, 0), (0, 8 - height), (0, 9 - width)), mode="edge")
        assert np.array_equal(own.numpy(), expected)
