import torch

from boxless.methods.mcmil.augmentation import recolored, warped

KEY = (7, 3)


def test_as_many_images_as_is_said_are_warped_each_in_another_way() -> None:
    images = torch.zeros(400, 1, 24, 32)
    images[:, :, 8:16, 12:20] = 1.0
    ours = warped(images, 0.5, False, *KEY)
    other = (ours != images).flatten(1).any(1)
    assert 160 < int(other.sum()) < 240
    assert len(ours[other].unique(dim=0)) == int(other.sum())
    mass = ours.sum((1, 2, 3)) / 64
    assert 0.6 < float(mass.min()) < float(mass.max()) < 1.5  # of the same block, closer or farther
    assert torch.equal(ours, warped(images, 0.5, False, *KEY))
    assert not torch.equal(ours, warped(images, 0.5, False, 7, 4))
    assert torch.equal(warped(images[:0], 0.5, False, *KEY), images[:0])  # no image may be among those to warp


def test_what_comes_in_is_black_or_as_the_border_of_a_photo() -> None:
    white = torch.ones(50, 3, 24, 32)
    torch.testing.assert_close(warped(white, 1.0, True, *KEY), white)
    assert float(warped(white, 1.0, False, *KEY).amin()) == 0.0


def test_as_many_images_as_is_said_have_their_channels_in_another_order_half_of_them_negative() -> None:
    colours = torch.tensor([0.1, 0.2, 0.4])
    images = colours.view(1, 3, 1, 1).expand(1200, 3, 4, 5).clone()
    ours = recolored(images, 0.5, *KEY)
    assert torch.equal(ours, ours[:, :, :1, :1].expand_as(ours))
    seen = ours[:, :, 0, 0]
    negative = seen.amax(1) > 0.5
    assert 0.2 < float(negative.float().mean()) < 0.3
    plain = torch.where(negative.unsqueeze(1), 1.0 - seen, seen)
    torch.testing.assert_close(plain.sort(1).values, colours.expand(1200, 3))
    orders, numbers = plain.mul(10).round().long().unique(dim=0, return_counts=True)
    assert len(orders) == 6
    moved = numbers[(orders != torch.tensor([1, 2, 4])).any(1)]
    assert all(60 < number < 145 for number in moved.tolist())  # a sixth of one half each
    assert torch.equal(ours, recolored(images, 0.5, *KEY))
    assert not torch.equal(ours, recolored(images, 0.5, 7, 4))


def test_a_grey_image_stays_or_is_its_negative() -> None:
    images = torch.full((100, 1, 2, 3), 0.25)
    seen = recolored(images, 1.0, *KEY)[:, 0, 0, 0]
    assert sorted(seen.unique().tolist()) == [0.25, 0.75]
    assert 30 < int((seen == 0.75).sum()) < 70
