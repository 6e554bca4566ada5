"""A fit to batches, or on several processes, is that of all samples in memory."""

from __future__ import annotations

import math
import multiprocessing
import runpy
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import cycle, pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.distributed as dist
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from deepgum.errors import InvalidDataError, InvalidParameterError, ProcessLostError
from deepgum.mixture import GaussianUniformMixture, MixtureStatus, fitting
from deepgum.mixture import quantiles as quantiles_module
from deepgum.mixture.em import EM
from deepgum.mixture.spread import spread, spread_over
from deepgum.mixture.verdict import Verdict
from deepgum.processes import SOLO, Processes, current

SEVERAL_SIZES = [[4], [0, 1], [5], [2, 3]]
LIMIT = 120  # seconds: processes that are wrong would wait for each other for ever
# Shares of 300 samples: even, and with one process that has none.
SHARES = {"even": (0, 150, 300), "one has none": (0, 300, 300)}


def contaminated(seed: int = 0, n: int = 300, missing: float = 0.0, outliers: float = 0.3) -> torch.Tensor:
    """Return correlated Gaussian residuals (n, 6), of which pairs are uniform on +-20, and NaN, at random."""
    generator = torch.Generator().manual_seed(seed)
    mix = torch.eye(6) + 0.4 * torch.tril(torch.ones(6, 6), -1)
    wrong = (torch.rand(n, 3, generator=generator) < outliers).repeat_interleave(2, dim=1)
    wide = 40 * torch.rand(n, 6, generator=generator) - 20
    residuals = torch.where(wrong, wide, torch.randn(n, 6, generator=generator) @ mix.T)
    residuals[torch.rand(n, 6, generator=generator) < missing] = math.nan
    return residuals


def some_weights(n: int = 300) -> torch.Tensor:
    """Return weights of which a tenth is 0."""
    generator = torch.Generator().manual_seed(1)
    return torch.rand(n, generator=generator) * (torch.rand(n, generator=generator) > 0.1)


def pairs(residuals: torch.Tensor, weights: torch.Tensor, size: int) -> list[tuple[torch.Tensor, torch.Tensor]]:
    return list(zip(residuals.split(size), weights.split(size), strict=True))


def same(one: GaussianUniformMixture, other: GaussianUniformMixture, residuals: torch.Tensor) -> None:
    """Check parameters, status and responsibilities to 1e-10."""

    def close(a: torch.Tensor, b: torch.Tensor) -> None:
        torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-10)

    assert one.status_ == other.status_
    assert (one.n_iter_, one.converged_) == (other.n_iter_, other.converged_)
    close(one.inlier_prior_, other.inlier_prior_)
    close(one.log_uniform_density_, other.log_uniform_density_)
    for a, b in zip(one.covariances_, other.covariances_, strict=True):
        close(a, b)
    close(one.responsibilities(residuals), other.responsibilities(residuals))


class Threads:
    """One of several threads that stand for processes: they meet at a barrier to add up."""

    def __init__(self, rank: int, barrier: threading.Barrier, slots: list[torch.Tensor]) -> None:
        self.rank, self.world_size = rank, barrier.parties
        self._barrier, self._slots = barrier, slots

    def _gather(self, values: torch.Tensor) -> torch.Tensor:
        self._slots[self.rank] = values
        self._barrier.wait()
        gathered = torch.stack(self._slots)
        self._barrier.wait()
        return gathered

    def sum(self, values: torch.Tensor) -> torch.Tensor:
        return self._gather(values).sum(0)

    def minimum(self, values: torch.Tensor) -> torch.Tensor:
        return self._gather(values).amin(0)

    def maximum(self, values: torch.Tensor) -> torch.Tensor:
        return self._gather(values).amax(0)


def together(world_size: int, task: Callable[[Processes], object]) -> list[object]:
    """Run a task on this number of threads at a time; return the result or the error of each."""
    barrier, slots = threading.Barrier(world_size, timeout=LIMIT), [torch.empty(0)] * world_size

    def one(rank: int) -> object:
        try:
            return task(Threads(rank, barrier, slots))
        except Exception as error:
            return error

    with ThreadPoolExecutor(world_size) as pool:
        found = list(pool.map(one, range(world_size)))
    for each in found:
        if isinstance(each, threading.BrokenBarrierError):
            raise each
    return found


def cut(values: torch.Tensor | None, bounds: tuple[int, ...], rank: int) -> torch.Tensor | None:
    return None if values is None else values[bounds[rank] : bounds[rank + 1]]


CASES = [
    (covariance_type, uniform, groups, missing, weighted)
    for (covariance_type, uniform, groups), (missing, weighted) in zip(
        [
            (covariance_type, uniform, groups)
            for covariance_type in ("full", "diag", "spherical", "tied-spherical")
            for uniform in ("moments", "range", -math.log(40))
            for groups in ("landmark", "coordinate" if covariance_type.startswith("tied") else SEVERAL_SIZES)
        ],
        cycle([(0.0, False), (0.0, True), (0.2, False), (0.2, True), (0.2, False)]),
        strict=False,
    )
]


@pytest.mark.parametrize(("covariance_type", "uniform", "groups", "missing", "weighted"), CASES)
def test_a_stream_and_two_processes_give_the_fit_of_all_in_memory(covariance_type, uniform, groups, missing, weighted):
    settings = {"covariance_type": covariance_type, "uniform": uniform, "groups": groups}
    residuals, weights = contaminated(missing=missing), some_weights() if weighted else None
    whole = GaussianUniformMixture(**settings).fit(residuals, weights)
    batches = residuals.split(130) if weights is None else pairs(residuals, weights, 130)
    same(GaussianUniformMixture(**settings).fit_batches(batches), whole, residuals)

    def fit(processes: Processes) -> GaussianUniformMixture:
        own = cut(residuals, SHARES["even"], processes.rank), cut(weights, SHARES["even"], processes.rank)
        return GaussianUniformMixture(**settings).fit(*own, processes=processes)

    for mixture in together(2, fit):
        same(mixture, whole, residuals)


@settings(max_examples=15, deadline=None)
@given(sizes=st.lists(st.integers(0, 40), min_size=1, max_size=20), weighted=st.booleans())
def test_batches_of_any_sizes_give_the_fit_of_all_in_memory(sizes, weighted):
    residuals, weights = contaminated(2, n=40, missing=0.1), some_weights(40)
    ends = [min(end, 40) for end in np.cumsum([0, *sizes, 40]).tolist()]
    cuts = [slice(*pair) for pair in pairwise(ends)]
    batches = [(residuals[c], weights[c]) if weighted else residuals[c].numpy() for c in cuts]
    settings = {"groups": "landmark", "tol": 0, "max_iter": 4}
    streamed = GaussianUniformMixture(**settings).fit_batches(batches)
    whole = GaussianUniformMixture(**settings).fit(*((residuals, weights) if weighted else (residuals.numpy(),)))
    same(streamed, whole, residuals) if weighted else same(streamed, whole, residuals.numpy())


def test_batches_of_one_row_give_the_fit_of_all_in_memory():
    residuals = contaminated(3, n=60)
    settings = {"groups": "landmark", "tol": 0, "max_iter": 3}
    same(
        GaussianUniformMixture(**settings).fit_batches(residuals.split(1)),
        GaussianUniformMixture(**settings).fit(residuals),
        residuals,
    )


@pytest.mark.filterwarnings("ignore::deepgum.errors.IdentifiabilityWarning")
@pytest.mark.parametrize("outliers", [0.0, 1.0])
def test_a_stream_gets_the_same_verdict(outliers):
    residuals = contaminated(4, outliers=outliers)
    streamed = GaussianUniformMixture(groups="landmark").fit_batches(residuals.split(100))
    same(streamed, GaussianUniformMixture(groups="landmark").fit(residuals), residuals)
    assert set(streamed.status_) == {MixtureStatus.NO_INLIERS if outliers else MixtureStatus.NO_OUTLIERS}


# ---------------------------------------------------------------- quantiles

awkward = st.one_of(
    st.floats(-1e100, 1e100),
    st.sampled_from([0.0, -0.0, 5e-324, 1.0, 1.0, -1.0, math.nextafter(1.0, 2.0), 1e-40, math.nan]),
)
singles = st.one_of(st.floats(width=32, allow_infinity=False), st.sampled_from([0.0, 1e-45, 1.0, -1.0]))


@settings(max_examples=60, deadline=None)
@given(
    values=st.sampled_from([awkward, singles]).flatmap(lambda each: hnp.arrays(np.float64, (2, 23), elements=each)),
    weighted=st.booleans(),
    probability=st.sampled_from([0.25, 0.5, 0.75]),
    bits=st.sampled_from([5, 9, 17]),
)
def test_quantiles_by_histograms_are_those_of_numpy_to_the_last_bit(values, weighted, probability, bits):
    weights = torch.arange(1.0, 24.0, dtype=torch.float64) if weighted else None
    tensor, nothing = torch.from_numpy(values)[None], torch.empty(1, 2, 0, dtype=torch.float64)
    pieces = [(tensor[..., a:b], None if weights is None else weights[a:b]) for a, b in pairwise((0, 1, 9, 23))]
    single = bool(((tensor.float() == tensor) | tensor.isnan()).all())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(quantiles_module, "BITS", (bits, bits))
        found = quantiles_module.streamed_quantiles(pieces, SOLO, nothing, 23, single=single)(probability)[0].tolist()
    for row, quantile in zip(np.abs(values), found, strict=True):
        seen = ~np.isnan(row)
        w = weights.numpy()[seen] if weighted else None
        expected = np.quantile(row[seen], probability, method="inverted_cdf", weights=w) if seen.any() else 0.0
        assert quantile == expected


def test_equal_weights_give_the_unweighted_quantile_for_any_order_of_the_sum():
    # A tenth is no float64 number, so the sum of four of ten weights depends on the order of the sum.
    values = torch.randn(2, 3, 40, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    weights = torch.full((40,), 0.1, dtype=torch.float64)
    pieces = [(values[..., a:b], weights[a:b]) for a, b in pairwise((0, 7, 29, 40))]
    expected = spread(values).scale
    assert torch.equal(spread(values, weights).scale, expected)
    assert torch.equal(spread_over(pieces, SOLO, values[..., :0]).scale, expected)


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 1000),
    dtype=st.sampled_from([torch.float32, torch.float64]),
    missing=st.sampled_from([0.0, 0.4]),
    zeros=st.sampled_from([0.0, 0.3, 0.6, 0.9]),
    weighted=st.booleans(),
)
def test_the_spread_of_pieces_is_that_of_all(seed, dtype, missing, zeros, weighted):
    residuals = contaminated(seed, n=50, missing=missing).to(dtype).double()
    residuals[torch.rand(residuals.shape, generator=torch.Generator().manual_seed(seed)) < zeros] = 0.0
    residuals[:, 5] = math.nan if seed % 2 else 0.0
    values, weights = residuals.T.reshape(3, 2, 50), some_weights(50).double() + 0.1 if weighted else None
    whole = spread(values, weights)

    def measure(processes: Processes) -> object:
        cuts = [slice(0, 4), slice(4, 30)] if processes.rank == 0 else [slice(30, 50)]
        pieces = [(values[..., c], None if weights is None else weights[c]) for c in cuts]
        return spread_over(pieces, processes, values[..., :0])

    for parts in together(2, measure):
        # With many zeros the scale may be the root mean square, which is a sum.
        assert torch.equal(parts.scale, whole.scale) or zeros
        for name in ("scale", "variance", "width", "effective"):
            torch.testing.assert_close(getattr(parts, name), getattr(whole, name), rtol=1e-12, atol=1e-12)
        torch.testing.assert_close(parts.observed, whole.observed.double())


def test_float32_numbers_take_half_the_passes(monkeypatch):
    monkeypatch.setattr(quantiles_module, "BITS", (17, 17))

    class Counted(list):
        passes = 0

        def __iter__(self) -> Iterator[torch.Tensor]:
            self.passes += 1
            return super().__iter__()

    took = []
    for dtype in (torch.float32, torch.float64):
        batches = Counted((contaminated().double() * 1.1).to(dtype).split(100))
        mixture = GaussianUniformMixture(groups="landmark").fit_batches(batches)
        # The checks, the sums, the E step of the start, one E step per iteration, and four of the verdict.
        took.append(batches.passes - 2 - (1 + mixture.n_iter_) - 4)
    assert took == [2, 4]


# ---------------------------------------------------------------- batches


class Buffer:
    """Batches that are all one buffer, written over for each: nothing of an earlier one can be kept."""

    def __init__(self, residuals: torch.Tensor, size: int) -> None:
        self.residuals, self.size = residuals, size

    def __iter__(self) -> Iterator[torch.Tensor]:
        buffer = torch.empty(self.size, self.residuals.shape[1])
        for part in self.residuals.split(self.size):
            yield buffer[: len(part)].copy_(part)
            buffer.fill_(1e6)


def test_no_batch_is_kept():
    residuals = contaminated(missing=0.1)
    streamed = GaussianUniformMixture(groups="landmark").fit_batches(Buffer(residuals, 64))
    same(streamed, GaussianUniformMixture(groups="landmark").fit(residuals), residuals)


def test_the_size_of_pieces_does_not_matter(monkeypatch):
    residuals, weights = contaminated(), some_weights()
    whole = GaussianUniformMixture(groups=SEVERAL_SIZES).fit(residuals, weights)
    monkeypatch.setattr("deepgum.mixture.sources.PIECE", 50)
    same(GaussianUniformMixture(groups=SEVERAL_SIZES).fit_batches([(residuals, weights)]), whole, residuals)


def test_arrays_in_arrays_out():
    residuals = contaminated().numpy()
    assert isinstance(GaussianUniformMixture().fit_batches([residuals]).inlier_prior_, np.ndarray)
    assert isinstance(GaussianUniformMixture().fit_batches([torch.from_numpy(residuals)]).inlier_prior_, torch.Tensor)


def test_a_data_loader_of_torch_is_accepted():
    residuals, weights = contaminated(), some_weights()
    data = torch.utils.data.TensorDataset(residuals, weights)
    shuffled = torch.utils.data.DataLoader(data, 64, shuffle=True, generator=torch.Generator().manual_seed(0))
    whole = GaussianUniformMixture().fit(residuals, weights)
    same(GaussianUniformMixture().fit_batches(shuffled), whole, residuals)


def test_the_statistics_of_batches_add_up_to_those_of_all_and_give_the_next_step():
    residuals, weights = contaminated(missing=0.1), some_weights()
    settings = {"groups": SEVERAL_SIZES, "tol": 0, "reg_covar": 0}
    batches = pairs(residuals, weights, 70)
    one, two = (GaussianUniformMixture(max_iter=m, **settings).fit_batches(batches) for m in (5, 6))
    first, *rest = (one.partial_statistics(*batch) for batch in batches)
    total = sum(rest, start=first)
    whole = one.partial_statistics(residuals, weights)
    priors = {}
    for added, at_once in zip(total.by_size, whole.by_size, strict=True):
        for a, b in zip(added.tensors, at_once.tensors, strict=True):
            torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-12)
        priors[added.scatter.shape[1]] = added.inlier_weight / added.weight
    # Equation 4, from the sums over batches.
    torch.testing.assert_close(two.inlier_prior_[[0, 2]], priors[1], rtol=1e-12, atol=0)
    torch.testing.assert_close(two.inlier_prior_[[1, 3]], priors[2], rtol=1e-12, atol=0)


def test_a_warm_start_begins_at_the_last_fit():
    residuals, later = contaminated(5), contaminated(6)
    mixtures = [GaussianUniformMixture(groups="landmark", warm_start=True) for _ in range(3)]
    cold = GaussianUniformMixture(groups="landmark").fit(later)

    def both(processes: Processes) -> object:
        mixture = mixtures[1 + processes.rank]
        for data in (residuals, later):
            mixture.fit_batches(cut(data, SHARES["even"], processes.rank).split(64), processes=processes)
        return mixture

    for data in (residuals, later):
        mixtures[0].fit(data)
    assert mixtures[0].n_iter_ < cold.n_iter_
    streamed = GaussianUniformMixture(groups="landmark", warm_start=True)
    for data in (residuals, later):
        streamed.fit_batches(data.split(64))
    for mixture in (streamed, *together(2, both)):
        same(mixture, mixtures[0], later)


# ---------------------------------------------------------------- processes


@settings(max_examples=8, deadline=None)
@given(bounds=st.lists(st.integers(0, 80), min_size=1, max_size=3), batched=st.booleans())
def test_any_shares_give_the_same_fit_on_all_processes(bounds, batched):
    residuals, weights, start = contaminated(7, n=80, missing=0.1), some_weights(80), torch.rand(80, 3)
    edges = (0, *sorted(bounds), 80)
    settings = {"groups": "landmark", "tol": 0, "max_iter": 4}
    whole = GaussianUniformMixture(**settings).fit(residuals, weights, responsibilities=None if batched else start)

    def fit(processes: Processes) -> GaussianUniformMixture:
        r, w, s = (cut(each, edges, processes.rank) for each in (residuals, weights, start))
        mixture = GaussianUniformMixture(**settings)
        if batched:
            return mixture.fit_batches([(r, w)] if len(r) else [], processes=processes)
        return mixture.fit(r, w, responsibilities=s, processes=processes)

    first, *others = together(len(edges) - 1, fit)
    same(first, whole, residuals)
    for other in others:
        assert torch.equal(other.inlier_prior_, first.inlier_prior_)
        assert all(map(torch.equal, other.covariances_, first.covariances_))


def test_processes_that_compute_otherwise_in_the_last_bits_stop_together_at_one_verdict(monkeypatch):
    residuals, usual, usual_verdict = contaminated(8), EM.m_step, fitting.judge

    def otherwise(self: EM, *arguments: object) -> object:
        step = usual(self, *arguments)
        off = 1e-7 * ("_1" in threading.current_thread().name)
        return type(step)(step.inlier_prior * (1 - off), step.covariance, step.outliers)

    def judge_otherwise(*arguments: object) -> Verdict:
        verdict = usual_verdict(*arguments)
        if "_1" not in threading.current_thread().name:
            return verdict
        return Verdict(verdict.parameters, (MixtureStatus.ITERATION_LIMIT,) * len(verdict.status))

    monkeypatch.setattr(EM, "m_step", otherwise)
    monkeypatch.setattr(fitting, "judge", judge_otherwise)

    def fit(processes: Processes) -> GaussianUniformMixture:
        threading.current_thread().name = f"_{processes.rank}"
        own = cut(residuals, SHARES["even"], processes.rank)
        return GaussianUniformMixture(groups="landmark", tol=1e-8).fit(own, processes=processes)

    one, other = together(2, fit)
    assert one.n_iter_ == other.n_iter_ < 200
    assert one.status_ == other.status_ == (MixtureStatus.CONVERGED,) * 3
    assert torch.equal(one.inlier_prior_, other.inlier_prior_)


def test_real_processes_give_the_fit_of_one(tmp_path):
    context = multiprocessing.get_context("forkserver")
    calls = [{"RANK": rank, "FOLDER": tmp_path} for rank in range(2)]
    crew = [context.Process(target=runpy.run_path, args=(__file__, call, "crew")) for call in calls]
    for process in crew:
        process.start()
    try:
        for process in crew:
            process.join(LIMIT)
        assert [process.exitcode for process in crew] == [0, 0]
    finally:
        for process in crew:
            process.kill()
            process.join()
    found = [torch.load(tmp_path / f"{rank}.pt") for rank in range(2)]
    residuals, weights = contaminated(missing=0.1), some_weights()
    for name, bounds in SHARES.items():
        assert bounds[-1] == len(residuals)
        for real in REAL:
            whole = GaussianUniformMixture(**real).fit(residuals, weights)
            for states in found:
                for how in ("memory", "batches"):
                    mixture = GaussianUniformMixture.from_state_dict(states[name, how, real["covariance_type"]])
                    same(mixture, whole, residuals)


REAL = [
    {"covariance_type": "full", "groups": SEVERAL_SIZES},
    {"covariance_type": "tied-spherical", "groups": "landmark"},
]


def main(rank: int, folder: Path) -> None:
    dist.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=2)
    residuals, weights = contaminated(missing=0.1), some_weights()
    states = {}
    for name, bounds in SHARES.items():
        own, w = cut(residuals, bounds, rank), cut(weights, bounds, rank)
        for real in REAL:
            key = real["covariance_type"]
            mixture = GaussianUniformMixture(**real).fit(own, w, processes=current())
            states[name, "memory", key] = mixture.state_dict()
            batches = pairs(own, w, 64) if len(own) else []
            mixture = GaussianUniformMixture(**real).fit_batches(batches, processes=current())
            states[name, "batches", key] = mixture.state_dict()
    torch.save(states, folder / f"{rank}.pt")
    dist.destroy_process_group()


# ---------------------------------------------------------------- bad input


@pytest.mark.parametrize("batches", [iter([torch.zeros(4, 2)]), (torch.zeros(4, 2) for _ in range(2))])
def test_batches_that_can_be_read_once_are_refused_with_advice(batches):
    with pytest.raises(InvalidParameterError, match=r"list, `ParquetBatches`.*empty after one pass.*starts again"):
        GaussianUniformMixture().fit_batches(batches)


def test_residuals_in_memory_are_refused_with_the_name_of_fit():
    for residuals in (torch.zeros(4, 2), np.zeros((4, 2))):
        with pytest.raises(InvalidParameterError, match="in memory to `fit`"):
            GaussianUniformMixture().fit_batches(residuals)
    with pytest.raises(InvalidParameterError, match="batches to iterate over"):
        GaussianUniformMixture().fit_batches(3)


@pytest.mark.parametrize(
    ("batches", "message"),
    [
        ([], "at least one batch"),
        ([torch.zeros(0, 2)], "at least 3 samples of positive weight. Found 0"),
        ([torch.zeros(4, 2), torch.zeros(4, 3)], r"2 coordinates, like the first batch. Found 3 in batch 1"),
        ([torch.zeros(4, 2), torch.tensor([[1.0, math.inf]])], r"Batch 1: Residuals should be finite"),
        ([torch.zeros(4)], r"Batch 0: Residuals should have shape \(n, d\)"),
        ([(torch.zeros(4, 2), torch.ones(3))], r"Batch 0: `sample_weight` should have shape \(4,\)"),
        ([(torch.zeros(4, 2), -torch.ones(4))], "Batch 0: `sample_weight` should be at least 0 and at most 1e\\+100"),
        ([(torch.zeros(4, 2), None, None)], r"or \(residuals, sample_weight\). Found 3 parts"),
        ([[1.0, 2.0]], "Batch 0: Residuals should be a torch tensor or a NumPy array. Found float"),
    ],
)
def test_a_bad_batch_is_named(batches, message):
    with pytest.raises(InvalidDataError, match=message):
        GaussianUniformMixture().fit_batches(batches)


def test_batches_that_change_from_pass_to_pass_are_refused():
    class Shrinking:
        rows = 40

        def __iter__(self) -> Iterator[torch.Tensor]:
            self.rows -= 1
            yield contaminated(n=40)[: self.rows]

    with pytest.raises(InvalidDataError, match=r"the same 39 rows of 6 coordinates in every pass. Found 38 rows"):
        GaussianUniformMixture().fit_batches(Shrinking())


@pytest.mark.parametrize("method", ["fit", "fit_batches"])
def test_a_bad_share_stops_all_processes(method):
    def fit(processes: Processes) -> object:
        own = contaminated(n=20)
        own[3, 1] = math.inf if processes.rank == 1 else 0.0
        mixture = GaussianUniformMixture()
        return (
            mixture.fit(own, processes=processes)
            if method == "fit"
            else mixture.fit_batches([own], processes=processes)
        )

    zero, one, two = together(3, fit)
    assert isinstance(one, InvalidDataError)
    assert isinstance(zero, ProcessLostError)
    assert isinstance(two, ProcessLostError)
    assert "Process 0 of 3 stops, because process 1 had an error" in str(zero)


def test_shares_of_different_widths_stop_all_processes():
    def fit(processes: Processes) -> object:
        return GaussianUniformMixture().fit(torch.zeros(9, 2 + processes.rank), processes=processes)

    zero, one = together(2, fit)
    assert isinstance(zero, InvalidDataError)
    assert "should have 3 coordinates. Found 2" in str(zero)
    assert isinstance(one, ProcessLostError)


if __name__ == "crew":
    main(RANK, FOLDER)  # noqa: F821  # given by `run_path`
