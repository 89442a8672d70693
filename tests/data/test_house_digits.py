from pathlib import Path

import numpy as np
import pytest
import torch
from tests.data.svhn_files import GROUND, digit_tile, write_svhn

from boxless.data.house_digits import HELD_OUT, PARTS, load_house_digits, most_similar, styles_of, walls_beside
from boxless.errors import BoxlessError
from boxless.instances import Instances


def test_the_photograph_tells_the_part_and_numbers_of_evaluations_are_in_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The label tells the photograph: 0 and 1 of a held-out one, 9 of a number of an evaluation."""
    crops = {300: [0, 0], 301: [1], 302: [2, 3], 310: [4], 12 * 20: [9], 253: [9], 256: [9]}
    assert 300 % HELD_OUT == 0
    write_svhn(tmp_path / "svhn", crops, {"train": ["1"] * 3})
    monkeypatch.setenv("BOXLESS_DATA", str(tmp_path))
    validation_and_tests = {"train": [2, 3, 4], "validation": [0, 0], "test": [1]}
    assert {part: load_house_digits(part).labels.tolist() for part in PARTS} == validation_and_tests
    train = load_house_digits("train")
    assert torch.equal(train.images[2], torch.from_numpy(digit_tile(4)).permute(2, 0, 1))
    assert train.walls.unique().tolist() == [GROUND]  # of the third photograph, without its digit


def test_a_set_too_small_to_part_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_svhn(tmp_path / "svhn", {302: [1]}, {"train": ["1"] * 3})
    monkeypatch.setenv("BOXLESS_DATA", str(tmp_path))
    assert len(load_house_digits("train").labels) == 1
    with pytest.raises(BoxlessError, match="has no digit or no wall for the part validation"):
        load_house_digits("validation")


def test_without_the_set_its_place_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BOXLESS_DATA", raising=False)
    with pytest.raises(BoxlessError, match=r"in the variable BOXLESS_DATA; SVHN is had at"):
        load_house_digits("train")


def test_the_style_is_the_ground_the_ink_and_how_sharp_it_is() -> None:
    """A sharp and a soft block of (1, 0, 0.2) on (0.2, 0.6, 0.4), with neighbours at the sides that do not count."""
    ground, ink = torch.tensor([0.2, 0.6, 0.4]), torch.tensor([1.0, 0.0, 0.2])
    cover = torch.zeros(2, 1, 32, 32)
    cover[:, :, 4:28, 12:20] = 1.0
    cover[1, :, :, 10:22] = torch.tensor([0.25, 0.5, 0.75, *[1.0] * 6, 0.75, 0.5, 0.25])
    cover[1, :, :4], cover[1, :, 28:] = 0.0, 0.0
    cover[:, :, :, :3] = 1.0
    pixels = ground.view(3, 1, 1) * (1 - cover) + ink.view(3, 1, 1) * cover
    styles = styles_of((pixels * 255).round().to(torch.uint8))
    torch.testing.assert_close(styles[:, :3], ground.expand(2, 3), rtol=0, atol=0.01)
    torch.testing.assert_close(styles[0, 3:6], ink, rtol=0, atol=0.01)
    torch.testing.assert_close(styles[1, 3:6], ink, rtol=0, atol=0.2)
    assert styles[0, 6] > 0.1
    step = (ink - ground).abs().mean() * 24 / 32 * 2 / 15  # two edges in 15 differences of 24 of 32 rows
    assert styles[0, 6].item() == pytest.approx(4 * step.item(), abs=0.01)


def test_the_most_similar_are_the_nearest_with_oneself_among_them() -> None:
    styles = torch.rand(70, 7, generator=torch.Generator().manual_seed(0))
    found = most_similar(styles, rows=32)
    away = (styles[:, None].double() - styles[None].double()).norm(dim=2)
    assert found.tolist() == away.argsort(dim=1)[:, : found.shape[1]].tolist()
    assert found[:, 0].tolist() == list(range(70))
    assert most_similar(styles[:3]).shape == (3, 3)


def test_walls_lie_beside_all_digits() -> None:
    """A photograph of 90×50 with digits over columns 20 to 39 and rows 15 to 34: red left, green right, blue below."""
    image = torch.ones(3, 50, 90)
    image[:, :, :20] = torch.tensor([1.0, 0, 0])[:, None, None]
    image[:, :, 40:] = torch.tensor([0, 1.0, 0])[:, None, None]
    image[:, 35:, :] = torch.tensor([0, 0, 1.0])[:, None, None]
    boxes = np.array([(24.5, 24.5), (34.5, 24.5)])
    walls = walls_beside(image, Instances(boxes, np.array([(10, 20), (10, 20)]), labels=[1, 2]))
    assert len(walls) == 4
    means = torch.stack(walls).float().mean((2, 3)) / 255
    torch.testing.assert_close(means[0], torch.tensor([1.0, 0, 0]), rtol=0, atol=0.01)  # 20×20 of the middle rows
    torch.testing.assert_close(means[1], torch.tensor([0, 0.7, 0.3]), rtol=0, atol=0.01)  # 50×50, all rows
    torch.testing.assert_close(means[2], torch.tensor([0.2, 1, 0.2]), rtol=0, atol=0.01)  # columns 37 to 51
    torch.testing.assert_close(means[3], torch.tensor([0, 0, 1.0]), rtol=0, atol=0.01)
    assert all(wall.shape == (3, 64, 64) for wall in walls)
    near_the_border = Instances(np.array([(44.5, 24.5)]), np.array([(74.0, 50.0)]), labels=[1])
    assert walls_beside(image, near_the_border) == []
