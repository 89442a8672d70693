import itertools
import math

import numpy as np
import pytest
import torch
from scipy.optimize import linear_sum_assignment
from scipy.stats import norm, wasserstein_distance
from torch import Generator, Tensor

from boxless.ops.clustering import (
    kmeans_loss,
    l2_distances,
    mean_square_distances,
    mixture_weights,
    random_projections,
    sample_prototypes,
    sliced_wasserstein,
    soft_assignment,
    wasserstein_1d,
)


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=Generator().manual_seed(seed), dtype=torch.float64)


def transport(first: Tensor, second: Tensor) -> float:
    """Squared 2-Wasserstein distance of numbers, each repeated so that both sets are as large, by assignment."""
    size = math.lcm(len(first), len(second))
    a = first.repeat_interleave(size // len(first)).numpy()
    b = second.repeat_interleave(size // len(second)).numpy()
    cost = (a[:, None] - b[None, :]) ** 2
    return float(cost[linear_sum_assignment(cost)].mean())


class TestWasserstein1d:
    @pytest.mark.parametrize(("n", "m"), [(7, 7), (6, 4), (4, 6), (5, 7), (1, 8), (9, 1), (1, 1)])
    def test_is_the_cheapest_transport(self, n: int, m: int) -> None:
        first, second = random(3, n), random(3, m, seed=1) * 2 + 0.5
        expected = [transport(first[i], second[i]) for i in range(3)]
        torch.testing.assert_close(wasserstein_1d(first, second), torch.tensor(expected, dtype=torch.float64))

    @pytest.mark.parametrize(("n", "m"), [(2, 2), (2, 3)])
    def test_is_scipys_distance_squared_where_one_set_is_the_other_shifted(self, n: int, m: int) -> None:
        """Then every quantile moves alike, and the distances of power 1 and 2 agree."""
        first, second = random(5).repeat_interleave(n), random(5).repeat_interleave(m) + 1.7
        ours = wasserstein_1d(first, second).item()
        assert ours == pytest.approx(wasserstein_distance(first.numpy(), second.numpy()) ** 2)

    def test_repeating_all_samples_changes_nothing(self) -> None:
        first, second = random(5), random(5, seed=1)
        torch.testing.assert_close(wasserstein_1d(first.repeat(3), second), wasserstein_1d(first, second))

    @pytest.mark.parametrize("m", [5, 3])
    def test_gradient(self, m: int) -> None:
        first, second = random(2, 5).requires_grad_(), random(2, m, seed=1).requires_grad_()
        assert torch.autograd.gradcheck(wasserstein_1d, (first, second))


class TestSlicedWasserstein:
    @pytest.mark.parametrize("m", [12, 8])
    def test_is_the_transport_of_the_projected_samples(self, m: int) -> None:
        first, second = random(12, 4), random(m, 4, seed=1) + 0.3
        directions = random_projections(6, 4, Generator().manual_seed(2)).double()
        expected = [transport(first @ w, second @ w) for w in directions]
        ours = sliced_wasserstein(first, second, directions)
        torch.testing.assert_close(ours, torch.tensor(expected, dtype=torch.float64))

    def test_of_shifted_samples_is_the_mean_squared_shift_of_a_dimension(self) -> None:
        """E (w·v)² = ‖v‖²/D for w uniform on the sphere."""
        samples, shift = random(9, 5), torch.tensor([1.0, -2.0, 0.0, 2.0, 4.0], dtype=torch.float64)
        directions = random_projections(20_000, 5, Generator().manual_seed(0))
        distance = sliced_wasserstein(samples, samples + shift, directions).mean().item()
        assert distance == pytest.approx(25 / 5, rel=0.03)

    def test_order_of_samples_does_not_count(self) -> None:
        first, second = random(10, 3), random(7, 3, seed=1)
        directions = random_projections(8, 3, Generator().manual_seed(0))
        turned = sliced_wasserstein(first.flip(0), second.roll(2, 0), directions)
        torch.testing.assert_close(turned, sliced_wasserstein(first, second, directions))

    def test_gradient(self) -> None:
        first, second = random(6, 3).requires_grad_(), random(4, 3, seed=1).requires_grad_()
        directions = random_projections(5, 3, Generator().manual_seed(0)).double()
        assert torch.autograd.gradcheck(lambda a, b: sliced_wasserstein(a, b, directions), (first, second))

    def test_descent_brings_prototypes_to_the_samples(self) -> None:
        target = random(4, 2) * 3
        moved = random(4, 2, seed=1).requires_grad_()
        optimizer, generator = torch.optim.Adam([moved], 0.1), Generator().manual_seed(0)
        for _ in range(300):
            loss = sliced_wasserstein(moved, target, random_projections(20, 2, generator)).mean()
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
        cost = torch.cdist(moved.detach(), target).numpy()
        assert cost[linear_sum_assignment(cost)].max() < 0.15

    def test_stays_exact_under_autocast(self) -> None:
        first, second = random(20, 32).float(), random(20, 32, seed=1).float()
        directions = random_projections(10, 32, Generator().manual_seed(0))
        with torch.autocast("cpu", torch.bfloat16):
            ours = sliced_wasserstein(first, second, directions)
        assert torch.equal(ours, sliced_wasserstein(first, second, directions))

    @pytest.mark.parametrize(("first", "second"), [((5, 3), (5, 4)), ((0, 3), (5, 3))])
    def test_samples_that_do_not_fit_are_refused(self, first: tuple[int, ...], second: tuple[int, ...]) -> None:
        with pytest.raises(ValueError, match="share D and are not empty"):
            sliced_wasserstein(torch.zeros(first), torch.zeros(second), torch.zeros(2, 3))


class TestRandomProjections:
    def test_are_uniform_on_the_sphere(self) -> None:
        directions = random_projections(40_000, 3, Generator().manual_seed(0))
        torch.testing.assert_close(directions.norm(dim=1), torch.ones(40_000))
        # on the sphere in three dimensions each coordinate is uniform in [−1, 1] (Archimedes)
        for coordinate in directions.T.numpy():
            assert wasserstein_distance(coordinate, np.linspace(-1, 1, 40_001)) < 0.02

    def test_are_the_generators(self) -> None:
        first, again = (random_projections(4, 6, Generator().manual_seed(5)) for _ in range(2))
        assert torch.equal(first, again)


class TestKmeansLoss:
    def test_is_equation_3(self) -> None:
        descriptors, prototypes = random(2, 5, 4), random(3, 4, seed=1)
        ours = kmeans_loss(l2_distances(descriptors, prototypes))
        for b, i in itertools.product(range(2), range(5)):
            exponentials = [math.exp(-math.dist(descriptors[b, i].tolist(), p.tolist())) for p in prototypes]
            assert ours[b, i].item() == pytest.approx(-math.log(max(exponentials) / sum(exponentials)))

    def test_with_the_measure_of_the_assignment_is_its_highest_probability(self) -> None:
        descriptors, prototypes = random(6, 4), random(3, 4, seed=1)
        ours = kmeans_loss(20 * mean_square_distances(descriptors, prototypes))
        torch.testing.assert_close(ours, -soft_assignment(descriptors, prototypes).amax(-1).log())

    def test_is_log_m_where_all_are_as_near_and_zero_where_one_alone_is(self) -> None:
        assert kmeans_loss(torch.full((8,), 3.0)).item() == pytest.approx(math.log(8))
        assert kmeans_loss(torch.tensor([1000.0, 5.0, 2000.0])).item() == 0.0

    def test_gradient_also_on_a_prototype(self) -> None:
        descriptors, prototypes = random(4, 3).requires_grad_(), random(3, 3, seed=1).requires_grad_()
        assert torch.autograd.gradcheck(lambda d, p: kmeans_loss(l2_distances(d, p)), (descriptors, prototypes))
        same = prototypes.detach().clone().requires_grad_()
        kmeans_loss(l2_distances(prototypes.detach(), same)).sum().backward()  # type: ignore[no-untyped-call]
        assert same.grad is not None
        assert same.grad.isfinite().all()


class TestSoftAssignment:
    def test_is_the_softmin_of_20_times_the_mean_square(self) -> None:
        descriptors, prototypes = random(4, 3) / 3, random(2, 3, seed=1) / 3
        ours = soft_assignment(descriptors, prototypes)
        for i in range(4):
            exponentials = [
                math.exp(-20 * sum((a - b) ** 2 for a, b in zip(descriptors[i].tolist(), p.tolist(), strict=True)) / 3)
                for p in prototypes
            ]
            expected = [e / sum(exponentials) for e in exponentials]
            assert ours[i].tolist() == pytest.approx(expected)

    def test_neighbours_far_from_zero_are_told_apart(self) -> None:
        prototypes = torch.tensor([[1000.0, 0.0], [1000.01, 0.0]])
        distances = l2_distances(torch.tensor([[1000.0, 0.0]]), prototypes)
        assert distances[0].tolist() == pytest.approx([0.0, 0.01], abs=1e-4)


class TestMixtureWeights:
    def test_are_equations_7_and_8_with_a_floor(self) -> None:
        descriptors, prototypes = random(30, 3), torch.cat((random(4, 3, seed=1), torch.full((1, 3), 99.0)))
        shares, variances = [], []
        nearest = [min(range(5), key=lambda j: math.dist(d.tolist(), prototypes[j].tolist())) for d in descriptors]
        for j in range(5):
            own = np.array([d.tolist() for d, n in zip(descriptors, nearest, strict=True) if n == j])
            shares.append(len(own) / 30)
            variances.append(np.sum(np.var(own, axis=0)) if len(own) else 1.0)
        assert shares[4] == 0
        for floor in (0.0, 0.01):
            alpha = np.array(shares) + np.var(variances) + floor
            ours = mixture_weights(descriptors, prototypes, floor)
            assert ours.tolist() == pytest.approx((alpha / alpha.sum()).tolist())

    def test_in_closed_form(self) -> None:
        """Three descriptors at one prototype without spread, one at another, a dead third: variances 0, 0 and 1."""
        prototypes = torch.tensor([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]])
        alpha = torch.tensor([0.75, 0.25, 0.0]) + 2 / 9
        ours = mixture_weights(prototypes[[0, 0, 1, 0]], prototypes, floor=0.0)
        torch.testing.assert_close(ours, alpha / alpha.sum())

    def test_one_prototype_takes_all(self) -> None:
        assert mixture_weights(torch.randn(5, 2), torch.zeros(1, 2)).tolist() == [1.0]


class TestSamplePrototypes:
    def test_follow_the_mixture(self) -> None:
        prototypes, weights = torch.tensor([[0.0, 0.0], [5.0, -5.0], [9.0, 9.0]]), torch.tensor([0.5, 0.0, 1.5])
        samples = sample_prototypes(prototypes, weights, 40_000, Generator().manual_seed(0))
        nearest = torch.cdist(samples, prototypes).argmin(1)
        assert (nearest == 0).float().mean().item() == pytest.approx(0.25, abs=0.01)
        assert not (nearest == 1).any()
        noise = (samples - prototypes[nearest]).flatten().numpy()
        assert wasserstein_distance(noise * 50, norm.ppf((np.arange(80_000) + 0.5) / 80_000)) < 0.02

    def test_are_the_generators(self) -> None:
        prototypes, weights = torch.randn(4, 3), torch.ones(4)
        first, again = (sample_prototypes(prototypes, weights, 9, Generator().manual_seed(5)) for _ in range(2))
        assert torch.equal(first, again)

    def test_gradient_to_a_prototype_counts_its_samples(self) -> None:
        prototypes = (10 * torch.eye(3)).requires_grad_()
        samples = sample_prototypes(prototypes, torch.tensor([0.2, 0.5, 0.3]), 50, Generator().manual_seed(0))
        counts = torch.bincount(torch.cdist(samples, prototypes).argmin(1), minlength=3)
        (gradient,) = torch.autograd.grad(samples.sum(), prototypes)
        assert torch.equal(gradient, counts.float().unsqueeze(1).expand(3, 3))
