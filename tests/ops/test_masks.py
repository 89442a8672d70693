import numpy as np
import torch

from boxless.ops.masks import mask_boxes, winners


def test_the_most_opaque_layer_has_the_pixel_if_it_is_opaque_enough() -> None:
    alphas = torch.tensor([[0.2, 0.6, 0.9, 0.5], [0.4, 0.7, 0.1, 0.5]]).view(1, 2, 1, 4)
    ours = winners(alphas)[0, :, 0]
    assert ours.tolist() == [[False, False, True, True], [False, True, False, False]]


def test_each_pixel_has_at_most_one_winner_and_it_is_the_highest() -> None:
    alphas = torch.rand(2, 5, 7, 9, generator=torch.Generator().manual_seed(0))
    ours = winners(alphas, 0.4)
    assert (ours.sum(1) == (alphas.amax(1) >= 0.4)).all()
    assert torch.equal(alphas[ours], alphas.amax(1, keepdim=True).expand_as(alphas)[ours])


def test_boxes_are_tight_around_masks_of_any_shape() -> None:
    rng = np.random.default_rng(0)
    masks = torch.from_numpy(rng.random((3, 4, 11, 17)) > 0.97)
    masks[0, 0] = False
    masks[1, 1] = False
    masks[1, 1, 4:7, 2:10] = True
    centers, sizes, seen = mask_boxes(masks)
    for index in np.ndindex(3, 4):
        rows, columns = np.nonzero(masks[index].numpy())
        assert bool(seen[index]) == bool(len(rows))
        if len(rows):
            assert centers[index].tolist() == [(columns.min() + columns.max()) / 2, (rows.min() + rows.max()) / 2]
            assert sizes[index].tolist() == [np.ptp(columns) + 1, np.ptp(rows) + 1]
    assert centers[1, 1].tolist() == [5.5, 5.0]
    assert not seen[0, 0]
