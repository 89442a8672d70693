import math

import pytest
import torch
from torch import Generator, Tensor

from boxless.methods.tusk.networks import unit
from boxless.methods.tusk.prototype_losses import information_of
from boxless.methods.tusk.prototypes import (
    clusters_of,
    complaint,
    dimensions,
    first_prototypes,
    shares_of,
    spread,
    telling_clusters_of,
    used,
)


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=Generator().manual_seed(seed))


def test_unit_vectors_have_length_1_and_a_zero_stays_one() -> None:
    vectors = random(4, 5)
    torch.testing.assert_close(unit(vectors), vectors / vectors.norm(dim=-1, keepdim=True), rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(unit(vectors.T, dim=0), unit(vectors).T)
    zero = torch.zeros(3, requires_grad=True)
    (slope,) = torch.autograd.grad(unit(zero).sum(), zero)
    assert unit(zero).tolist() == [0.0] * 3
    assert slope.isfinite().all()


class TestClusters:
    def test_are_found_where_they_are(self) -> None:
        middles = unit(random(5, 6))
        around = middles.repeat_interleave(torch.tensor([40, 5, 20, 10, 25]), dim=0)
        found = clusters_of(unit(around + 0.02 * random(100, 6, seed=1)), 5, seed=3)
        distances, nearest = torch.cdist(middles, found).min(dim=1)
        assert sorted(nearest.tolist()) == [0, 1, 2, 3, 4]
        assert distances.max() < 0.05
        torch.testing.assert_close(found.norm(dim=1), torch.ones(5))

    def test_are_the_same_for_the_same_seed(self) -> None:
        descriptors = unit(random(60, 6))
        assert torch.equal(clusters_of(descriptors, 8, seed=1), clusters_of(descriptors, 8, seed=1))

    def test_of_fewer_descriptors_come_twice(self) -> None:
        descriptors = unit(random(3, 6))
        found = clusters_of(descriptors, 5, seed=0)
        assert found.shape == (5, 6)
        assert torch.cdist(found, descriptors).amin(dim=1).max() < 1e-3


class TestTellingClusters:
    """Three classes a little apart, each in two looks that are far apart, of which a view has either."""

    def views(self) -> tuple[Tensor, Tensor, Tensor]:
        classes = torch.arange(90) % 3
        looks = [torch.randint(0, 2, (90,), generator=Generator().manual_seed(seed)) for seed in (3, 4)]
        axes, noise = torch.eye(6), 0.05
        views = [
            unit(0.6 * axes[classes] + axes[3] * (2.0 * look[:, None] - 1) + noise * random(90, 6, seed=seed))
            for seed, look in enumerate(looks, start=5)
        ]
        return views[0], views[1], classes

    def test_are_what_both_views_agree_on(self) -> None:
        first, second, classes = self.views()
        found = telling_clusters_of(first, second, 3, seed=0)
        torch.testing.assert_close(found.norm(dim=1), torch.ones(3))
        for view in (first, second):
            nearest = (view @ found.T).argmax(dim=1)
            assert {(int(one), int(other)) for one, other in zip(nearest, classes, strict=True)} == {
                (int(nearest[number]), number) for number in range(3)
            }
        by_looks = (first @ clusters_of(first, 3, seed=0).T).argmax(dim=1)
        assert len(set(zip(by_looks.tolist(), classes.tolist(), strict=True))) > 3  # k-means parts the looks

    def test_tell_more_than_those_of_kmeans(self) -> None:
        first, second, _ = self.views()
        both = torch.stack((clusters_of(first, 3, seed=0), telling_clusters_of(first, second, 3, seed=0)))
        of_kmeans, ours = information_of(first, second, both)
        assert 0 <= of_kmeans < 0.7 * ours
        assert ours < math.log(3)

    def test_what_one_view_alone_shows_counts_for_nothing(self) -> None:
        first, second, _ = self.views()
        more = torch.cat((first, unit(random(50, 6, seed=9)))), torch.cat((second, torch.zeros(50, 6)))
        found = telling_clusters_of(first, second, 3, seed=0)
        assert torch.equal(telling_clusters_of(*more, 3, seed=0), found)
        torch.testing.assert_close(information_of(*more, found), information_of(first, second, found))

    def test_of_too_few_in_both_views_are_those_of_kmeans(self) -> None:
        first, second, _ = self.views()
        second[2:] = 0
        assert torch.equal(telling_clusters_of(first, second, 3, seed=4), clusters_of(first, 3, seed=4))

    def test_are_the_same_for_the_same_seed(self) -> None:
        first, second, _ = self.views()
        assert torch.equal(*(telling_clusters_of(first, second, 3, seed=1) for _ in range(2)))


class TestFirstPrototypes:
    def test_are_different_descriptors(self) -> None:
        descriptors = unit(random(40, 6))
        ours = first_prototypes(descriptors, 12, Generator().manual_seed(0))
        distances, nearest = torch.cdist(ours, descriptors).min(dim=1)
        assert len(set(nearest.tolist())) == 12
        assert distances.max() < 0.15  # the noise
        torch.testing.assert_close(ours.norm(dim=1), torch.ones(12))

    def test_of_few_descriptors_all_are_taken_and_copies_differ(self) -> None:
        descriptors = unit(random(4, 6))
        ours = first_prototypes(descriptors, 10, Generator().manual_seed(0))
        nearest = torch.cdist(ours, descriptors).argmin(dim=1)
        assert torch.bincount(nearest, minlength=4).tolist() in ([2, 3, 3, 2], [3, 3, 2, 2], [2, 2, 3, 3], [3, 2, 3, 2])
        assert torch.cdist(ours, ours).fill_diagonal_(9).min() > 1e-3

    def test_are_the_generator_s(self) -> None:
        first, again = (first_prototypes(random(9, 3), 4, Generator().manual_seed(5)) for _ in range(2))
        assert torch.equal(first, again)


class TestSpread:
    def test_is_the_mean_of_one_minus_the_cosine_of_all_pairs(self) -> None:
        vectors = unit(random(7, 4).double())
        pairs = [1 - float(a @ b) for a in vectors for b in vectors]
        assert spread(vectors).item() == pytest.approx(sum(pairs) / len(pairs), abs=1e-5)

    def test_of_parallel_and_of_opposite_vectors(self) -> None:
        vector = unit(random(1, 4))
        assert spread(vector.repeat(5, 1)).item() == pytest.approx(0.0, abs=1e-5)
        assert spread(torch.cat((vector, -vector))).item() == pytest.approx(1.0)


class TestDimensions:
    def test_of_clusters_as_far_apart_as_can_be(self) -> None:
        assert dimensions(torch.eye(5)).item() == pytest.approx(4.0)

    def test_of_a_line(self) -> None:
        assert dimensions(torch.linspace(-3, 8, 20).unsqueeze(1) * random(1, 6)).item() == pytest.approx(1.0)

    def test_is_the_ratio_of_the_eigenvalues(self) -> None:
        vectors = random(30, 4).double()
        values = torch.linalg.eigvalsh(torch.cov(vectors.T))
        assert dimensions(vectors).item() == pytest.approx((values.sum() ** 2 / (values**2).sum()).item())


class TestCollapse:
    def test_what_is_in_use(self) -> None:
        assert used(torch.full((8,), 1 / 8)).item() == pytest.approx(1.0)
        assert used(shares_of(torch.tensor([5.0, 5.0, 0.0, 0.0]))).item() == pytest.approx(0.5)
        shares = torch.tensor([0.7, 0.2, 0.1])
        entropy = -sum(p * math.log(p) for p in shares.tolist())
        assert used(shares).item() == pytest.approx(math.exp(entropy) / 3)

    def test_even_clusters_of_spread_descriptors_are_fine(self) -> None:
        assert complaint(torch.full((10,), 0.1), 0.9) is None

    def test_few_prototypes_with_all_descriptors_are_told(self) -> None:
        told = complaint(torch.tensor([0.6, 0.35, 0.05, *[0.0] * 7]), 0.9)
        assert told is not None
        assert "2 of 10 hold 95% of the descriptors" in told

    def test_parallel_descriptors_are_told_first(self) -> None:
        told = complaint(torch.tensor([1.0, 0.0]), 0.03)
        assert told is not None
        assert "nearly parallel (spread 0.030 of 1)" in told
