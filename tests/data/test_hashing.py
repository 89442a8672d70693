import pytest
import torch
from torch import Tensor

from boxless.data.hashing import _mix, generator, uniforms

WORD = 2**64


def splitmix(state: int) -> int:
    """The next number of SplitMix64 after ``state``, in Python's unbounded whole numbers."""
    state = (state + 0x9E3779B97F4A7C15) % WORD
    state = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) % WORD
    state = ((state ^ (state >> 27)) * 0x94D049BB133111EB) % WORD
    return state ^ (state >> 31)


def reference(key: tuple[int, ...], index: int, position: int) -> float:
    state = splitmix(0xBF58476D1CE4E5B9 + len(key))
    for part in key:
        state = splitmix(state ^ splitmix(part % WORD))
    row = splitmix(state ^ splitmix(index % WORD))
    return (splitmix((row + (position + 1) * 0x9E3779B97F4A7C15) % WORD) >> 11) / 2**53


def correlation(a: Tensor, b: Tensor) -> float:
    return torch.corrcoef(torch.stack((a.flatten(), b.flatten())))[0, 1].item()


def test_mixing_gives_the_published_numbers_of_splitmix64() -> None:
    state = torch.tensor(1234567) + torch.arange(5) * -0x61C8864680B583EB
    assert [value % WORD for value in _mix(state).tolist()] == [
        6457827717110365317,
        3203168211198807973,
        9817491932198370423,
        4593380528125082431,
        16408922859458223821,
    ]


@pytest.mark.parametrize("key", [(), (0,), (7, 0, 3), (-5, 2**63 - 1), (-(2**63),)])
def test_is_splitmix64_of_key_index_and_position(key: tuple[int, ...]) -> None:
    indices = [0, 1, 49_999, 2**63 - 1, -1]
    expected = [[reference(key, index, position) for position in range(6)] for index in indices]
    assert uniforms(key, torch.tensor(indices), 6).tolist() == expected


def test_known_values_stay() -> None:
    """A change here changes every scene ever made."""
    assert uniforms((0, 0, 0), torch.tensor([0, 12345]), 3).tolist() == [
        [0.36222402246484586, 0.16783182211907277, 0.7904708728252163],
        [0.19189054561734253, 0.9808615015682985, 0.3265789178270255],
    ]


def test_a_number_does_not_depend_on_the_batch_or_on_how_many_are_asked() -> None:
    many = uniforms((3, 1), torch.arange(100), 8)
    assert torch.equal(uniforms((3, 1), torch.tensor([57]), 3)[0], many[57, :3])
    assert torch.equal(uniforms((3, 1), torch.tensor([90, 4]), 8), many[[90, 4]])


def test_keys_differ_by_value_place_and_length() -> None:
    keys: list[tuple[int, ...]] = [(), (0,), (1,), (0, 1), (1, 0), (0, 0), (1, 1), (-1,), (0, 0, 0)]
    draws = {uniforms(key, torch.tensor([5]), 1).item() for key in keys}
    assert len(draws) == len(keys)


class TestUniform:
    DRAWS = uniforms((11, 2), torch.arange(4096), 16)

    def test_lies_from_zero_to_below_one(self) -> None:
        assert self.DRAWS.min() >= 0
        assert self.DRAWS.max() < 1

    @pytest.mark.parametrize("position", [0, 1, 15])
    def test_fills_all_bins_alike_at_each_position(self, position: int) -> None:
        counts = torch.histc(self.DRAWS[:, position], bins=32, min=0, max=1)
        chi_square = ((counts - 128).square() / 128).sum().item()
        assert 10.0 < chi_square < 68.8  # 31 degrees of freedom: once in 10,000 below, once in 10,000 above

    def test_low_bits_are_as_even_as_high_ones(self) -> None:
        low = (self.DRAWS * 2**53).long() % 2
        assert abs(low.double().mean().item() - 0.5) < 4 * 0.5 / low.numel() ** 0.5

    def test_positions_indices_and_keys_are_independent(self) -> None:
        limit = 4 / self.DRAWS[:, :8].numel() ** 0.5
        assert abs(correlation(self.DRAWS[:, :8], self.DRAWS[:, 8:])) < limit
        assert abs(correlation(self.DRAWS[:-1, :8], self.DRAWS[1:, :8])) < limit
        assert abs(correlation(self.DRAWS[:, :8], uniforms((12, 2), torch.arange(4096), 8))) < limit
        assert abs(correlation(self.DRAWS[:, :8], uniforms((11, 3), torch.arange(4096), 8))) < limit


def test_a_generator_is_that_of_its_key_alone() -> None:
    first, again, other = (torch.rand(1000, generator=generator(key)) for key in [(3, 5), (3, 5), (5, 3)])
    assert torch.equal(first, again)
    assert abs(correlation(first, other)) < 0.1
