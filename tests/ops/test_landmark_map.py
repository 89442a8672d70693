"""The linear map from keypoints to landmarks."""

import numpy as np
import pytest
import torch

from boxless.ops.landmarks import keypoint_inputs, ridge_map


def keypoints(batch: int, k: int, number: int, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    draws = torch.Generator().manual_seed(seed)
    centers = 128 * torch.rand(batch, k, 2, generator=draws)
    kinds = torch.randint(number, (batch, k), generator=draws)
    return centers, kinds, torch.rand(batch, k, generator=draws) < 0.8


def test_keypoint_i_of_prototype_m_stands_at_i_m_and_all_else_is_zero() -> None:
    centers, kinds, valid = keypoints(batch=3, k=4, number=5)
    expected = np.zeros((3, 4, 5, 2))
    for image, i in np.ndindex(3, 4):
        if valid[image, i]:
            expected[image, i, kinds[image, i]] = centers[image, i]
    assert (~valid).any()
    np.testing.assert_allclose(keypoint_inputs(centers, kinds, valid, 5).numpy(), expected.reshape(3, -1))


def test_two_keypoints_of_one_prototype_keep_a_place_each() -> None:
    centers = torch.tensor([[[1.0, 2.0], [3.0, 4.0]]])
    inputs = keypoint_inputs(centers, torch.tensor([[1, 1]]), torch.ones(1, 2, dtype=torch.bool), 2)
    assert inputs.tolist() == [[0, 0, 1, 2, 0, 0, 3, 4]]


def test_the_map_is_that_of_least_squares_with_the_ridge_as_more_rows() -> None:
    rng = np.random.default_rng(0)
    x, y, ridge = rng.normal(size=(30, 7)), rng.normal(size=(30, 4)), 0.3
    more = np.sqrt(ridge) * np.eye(7)
    expected = np.linalg.lstsq(np.vstack([x, more]), np.vstack([y, np.zeros((7, 4))]), rcond=None)[0]
    np.testing.assert_allclose(ridge_map(torch.from_numpy(x), torch.from_numpy(y), ridge).numpy(), expected, atol=1e-10)


def test_landmarks_that_are_sums_of_keypoints_are_regressed_and_there_is_no_bias() -> None:
    """The middle of two keypoints is; a landmark at a place of its own is not, where the keypoints tell nothing."""
    centers, kinds, _ = keypoints(batch=200, k=2, number=1)
    inputs = keypoint_inputs(centers, kinds, torch.ones(200, 2, dtype=torch.bool), 1)
    middle = centers.mean(dim=1).double()
    assert (inputs @ ridge_map(inputs, middle, 1e-6) - middle).abs().max() < 1e-4
    centered = inputs - inputs.mean(dim=0)
    assert (centered @ ridge_map(centered, torch.full((200, 1), 50.0), 1e-6)).abs().max() < 1e-6


def test_inputs_that_no_image_has_take_no_part() -> None:
    inputs = torch.tensor([[1.0, 0.0], [2.0, 0.0]])
    assert ridge_map(inputs, torch.tensor([[3.0], [6.0]]), 1e-9).flatten().tolist() == pytest.approx([3.0, 0.0])


def test_what_does_not_fit_is_refused() -> None:
    centers, kinds, valid = keypoints(2, 3, 4)
    with pytest.raises(ValueError, match="do not fit"):
        keypoint_inputs(centers, kinds[:, :2], valid, 4)
    for inputs, targets, ridge in ((torch.ones(2, 3), torch.ones(3, 1), 1.0), (torch.ones(2, 3), torch.ones(2, 1), 0)):
        with pytest.raises(ValueError, match="ridge above zero"):
            ridge_map(inputs, targets, ridge)
