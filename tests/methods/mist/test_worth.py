"""Worth against taking patches out and putting them in, one by one."""

import pytest
import torch
from torch import Tensor

from boxless.methods.mist.model import Keypoints
from boxless.methods.mist.worth import FLOOR, HIGHEST, MARGIN, relative_worth, worth
from boxless.ops.patches import paste

SIDE, CHOSEN = 10, 3
WINDOW = 18  # pixels: MARGIN of them
CENTERS = [(8.5, 9.5), (20.5, 14.5), (15.5, 12.5), (31.5, 8.5), (24.5, 17.5)]  # the last two are not chosen


def scene() -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Images (2, 2, 26, 40), overlapping patches (2, 5, 2, 10, 10) on whole pixels, their centres and sizes."""
    generator = torch.Generator().manual_seed(0)
    patches = torch.rand(2, 5, 2, SIDE, SIDE, generator=generator, dtype=torch.float64)
    centers = torch.tensor([CENTERS, CENTERS[::-1]], dtype=torch.float64)
    sizes = torch.full_like(centers, SIDE)
    images = paste(patches, centers, sizes, (26, 40)) + 0.3 * torch.randn(
        2, 2, 26, 40, generator=generator, dtype=torch.float64
    )
    return images, patches, centers, sizes


def test_worth_is_what_the_loss_changes_by_over_the_energy_around() -> None:
    images, patches, centers, sizes = scene()
    synthesis = paste(patches[:, :CHOSEN], centers[:, :CHOSEN], sizes[:, :CHOSEN], (26, 40))
    shares = worth(images, synthesis, patches, Keypoints(centers, sizes[..., 0]), CHOSEN)
    for b in range(2):
        residual = images[b] - synthesis[b]
        loss = residual.square().sum()
        floor = FLOOR * images[b].square().sum() / CHOSEN
        for n in range(5):
            alone = paste(patches[b, n, None, None], centers[b, n, None, None], sizes[b, n, None, None], (26, 40))[0]
            if n < CHOSEN:
                gain = (images[b] - (synthesis[b] - alone)).square().sum() - loss
            else:
                gain = loss - (images[b] - (synthesis[b] + alone)).square().sum()
            left, top = (int(value - (WINDOW - 1) / 2) for value in centers[b, n].tolist())
            others = residual + alone if n < CHOSEN else residual  # what is left when this patch is not laid
            around = others[:, max(0, top) : top + WINDOW, max(0, left) : left + WINDOW].square().sum()
            expected = float((gain / (around + floor)).clamp(0, 1))
            assert shares[b, n].item() == pytest.approx(expected, abs=1e-9)
    assert round(MARGIN * SIDE) == WINDOW
    assert ((shares > 0) & (shares < 1)).sum() >= 5  # not all cut off


def test_a_patch_that_is_all_there_is_is_worth_most_and_one_on_nothing_is_worth_nothing() -> None:
    patches = torch.ones(1, 2, 1, SIDE, SIDE)
    centers = torch.tensor([[[10.5, 10.5], [30.5, 10.5]]])
    sizes = torch.full_like(centers, SIDE)
    images = paste(patches[:, :1], centers[:, :1], sizes[:, :1], (22, 42))
    shares = worth(images, images.clone(), patches, Keypoints(centers, sizes[..., 0]), chosen=1)
    assert shares[0, 0].item() == pytest.approx(1 / (1 + FLOOR))
    assert shares[0, 1].item() == 0.0


def test_the_second_of_two_patches_on_an_object_is_worth_nothing() -> None:
    patches = torch.ones(1, 2, 1, SIDE, SIDE)
    centers = torch.tensor([[[10.5, 10.5], [10.5, 10.5]]])
    sizes = torch.full_like(centers, SIDE)
    images = paste(patches[:, :1], centers[:, :1], sizes[:, :1], (22, 42))
    assert worth(images, images.clone(), patches, Keypoints(centers, sizes[..., 0]), chosen=1)[0, 1].item() == 0.0


def test_how_bright_images_are_does_not_matter() -> None:
    images, patches, centers, sizes = scene()
    keypoints = Keypoints(centers, sizes[..., 0])
    bright, dim = (worth(s * images, 0.9 * s * images, s * patches, keypoints, CHOSEN) for s in (1.0, 0.1))
    assert torch.allclose(dim, bright, atol=1e-4)


def test_an_empty_image_has_nothing_worth_a_patch() -> None:
    _, patches, centers, sizes = scene()
    nothing = torch.zeros(2, 2, 26, 40, dtype=torch.float64)
    assert not worth(nothing, nothing, patches, Keypoints(centers, sizes[..., 0]), CHOSEN)[:, CHOSEN:].any()


def test_targets_are_one_for_the_mean_of_the_chosen_and_limited() -> None:
    shares = torch.tensor([[0.6, 0.2, 0.9], [0.5, 0.5, 0.0]])
    expected = torch.tensor([[0.6, 0.2, 0.9], [0.5, 0.5, 0.0]]) / (0.45 + 0.05)
    expected[0, 2] = HIGHEST
    assert torch.allclose(relative_worth(shares, shares[:, :2].mean()), expected.clamp(max=HIGHEST))


def test_no_worth_at_all_gives_no_targets() -> None:
    assert not relative_worth(torch.zeros(2, 4), torch.zeros(())).any()


@pytest.mark.parametrize("samples", [8, 9, 10, 13])
def test_it_does_not_depend_on_how_finely_a_patch_is_sampled(samples: int) -> None:
    """A flat patch over a flat image, which explains its own area of a window of MARGIN² of it."""
    images = torch.ones(1, 1, 40, 40, dtype=torch.float64)
    patches = torch.ones(1, 1, 1, samples, samples, dtype=torch.float64)
    keypoint = Keypoints(torch.full((1, 1, 2), 19.5, dtype=torch.float64), torch.full((1, 1), 8.0, dtype=torch.float64))
    shares = worth(images, torch.zeros_like(images), patches, keypoint, chosen=0)
    assert shares.item() == pytest.approx(64 / (MARGIN**2 * 64 + FLOOR * 1600))


def test_autocast_does_not_round_it() -> None:
    images, patches, centers, sizes = (values.float() for values in scene())
    keypoints = Keypoints(centers, sizes[..., 0])
    exact = worth(images, 0.9 * images, patches, keypoints, CHOSEN)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(worth(images, 0.9 * images, patches, keypoints, CHOSEN), exact)
