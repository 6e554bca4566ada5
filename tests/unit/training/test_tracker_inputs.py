"""What loops give to the tracker: dicts, arrays, points, file names, lists of positions, labels that move."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import (
    BatchSampler,
    ConcatDataset,
    DataLoader,
    Dataset,
    SequentialSampler,
    Subset,
    TensorDataset,
    WeightedRandomSampler,
)

from deepgum import IndexedDataset, ResponsibilityTracker
from deepgum.errors import InvalidDataError
from deepgum.mixture import GaussianUniformMixture
from deepgum.training import DeepGUMOptions

B = 8
P, T = torch.zeros(B, 6), torch.arange(6.0 * B).reshape(B, 6)
INDEX = torch.arange(B)


@pytest.mark.case(17)
@pytest.mark.parametrize(
    ("predictions", "targets", "index"),
    [
        ({"points": P}, T, INDEX),
        (P, {"points": T, "name": None}, INDEX),
        ([P], (T,), INDEX),
        (P, T.numpy(), INDEX.numpy()),
        (P, T.tolist(), INDEX.tolist()),
        (P.reshape(B, 3, 2), T.reshape(B, 3, 2), list(INDEX)),
        (P, T.reshape(B, 3, 2).numpy(), tuple(INDEX.tolist())),
    ],
)
def test_one_tensor_is_taken_in_every_form(predictions: Any, targets: Any, index: Any) -> None:
    tracker, expected = ResponsibilityTracker(B), ResponsibilityTracker(B)
    torch.testing.assert_close(tracker.loss(predictions, targets, index), expected.loss(P, T, INDEX))
    tracker.update()
    torch.testing.assert_close(tracker.residuals, T)
    recorded = ResponsibilityTracker(B, targets=targets)
    recorded.record(index, T.reshape(B, 3, 2).numpy())
    recorded.update()
    torch.testing.assert_close(recorded.residuals, T)


@pytest.mark.case(17)
@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            ({"pts": P, "visible": P}, T, INDEX),
            r"`predictions`.*a dict of 2.*\['pts'\] \(8, 6\).*outputs\[\"points\"\]",
        ),
        (((P, P), T, INDEX), r"`predictions`.*a tuple of 2 with the tensors \[0\] \(8, 6\)"),
        ((P, {"a": T, "b": T}, INDEX), r"`targets`.*batch\[\"points\"\], index\)"),
        ((P, {"a": "text"}, INDEX), "`targets` should be one tensor.*Found dict"),
        ((None, T, INDEX), "`predictions` should be one tensor.*NoneType"),
        ((SimpleNamespace(points=P), T, INDEX), "`predictions` should be one tensor.*SimpleNamespace"),
        ((P, ["old"] * B, INDEX), "`targets` should be one tensor"),
        ((P, T, [f"{k}.jpg" for k in range(B)]), r"`index`.*Found texts: 0.jpg.*`deepgum.IndexedDataset`.*ids=names"),
        ((P, T, np.array(["a"] * B)), "`index`.*Found texts: a"),
        ((P, T, "0.jpg"), "`index`.*Found texts"),
        ((P, T, {"file": 3}), "`index` should be whole numbers.*Found list|dict"),
        ((P, T, [None] * B), "`index` should be whole numbers"),
        ((P.reshape(B, 3, 2), T[:, :5], INDEX), r"`targets` should have shape \(8, 6\)"),
    ],
)
def test_everything_else_is_refused_with_a_remedy(given: Any, message: str) -> None:
    with pytest.raises(InvalidDataError, match=message):
        ResponsibilityTracker(B).loss(*given)


class Single(Dataset[Any]):
    """A data set that gives single samples only."""

    def __len__(self) -> int:
        return B

    def __getitem__(self, k: int) -> dict[str, Tensor]:
        return {"x": torch.tensor(float(range(B)[k])), "y": T[k]}


PAIRS = TensorDataset(torch.arange(float(B)), T)


@pytest.mark.case(17)
@pytest.mark.parametrize(
    "dataset",
    [
        PAIRS,
        Single(),
        Subset(PAIRS, [7, 1, 3, 0, 2, 4, 6, 5]),
        ConcatDataset([PAIRS, PAIRS]),
        list(zip(T, T, strict=True)),
    ],
    ids=["tensors", "single", "subset", "concat", "list"],
)
def test_lists_of_positions_are_served_as_batches(dataset: Any) -> None:
    indexed = IndexedDataset(dataset)
    sampler = BatchSampler(SequentialSampler(indexed), 4, drop_last=False)
    as_sampler = DataLoader(indexed, batch_size=None, sampler=sampler)
    as_batch_sampler = DataLoader(indexed, batch_sampler=sampler)
    for one, other in zip(as_sampler, as_batch_sampler, strict=True):
        pairs = (
            zip(one.values(), other.values(), strict=True) if isinstance(one, dict) else zip(one, other, strict=True)
        )
        for found, expected in pairs:
            torch.testing.assert_close(found, expected)
    assert indexed[[2, -1]][-1 if not isinstance(dataset, Single) else "index"].tolist() == [2, len(indexed) - 1]
    with pytest.raises(InvalidDataError, match=r"its position in the data set. Found 'a.jpg'"):
        indexed["a.jpg"]
    with pytest.raises(InvalidDataError, match=r"its position in the data set. Found tensor"):
        indexed[torch.ones(len(indexed), dtype=torch.bool)]


class Moved(Dataset[Any]):
    """A line whose labels an augmentation shifts together with an input; every tenth label is wrong."""

    def __init__(self, shift: float) -> None:
        self.shift = shift

    def __len__(self) -> int:
        return 300

    def __getitem__(self, k: int) -> tuple[Tensor, Tensor]:
        x, moved = k / 150 - 1, self.shift * torch.rand(1)
        noise = 0.05 * float(np.sin(97.0 * k))
        return torch.cat([torch.tensor([x]), moved]), torch.tensor([3 * x + noise + 6 * (k % 10 == 0)]) + moved


def flags_of_a_loop(shift: float, labels_vary: bool) -> Tensor:
    torch.manual_seed(0)
    network, tracker = nn.Linear(2, 1), ResponsibilityTracker(300, labels_vary=labels_vary)
    with torch.no_grad():
        network.weight[0, 1] = 1.0  # the effect of the shift is known
    optimizer = torch.optim.Adam(network.parameters(), 0.1)
    loader = DataLoader(IndexedDataset(Moved(shift)), 30, sampler=WeightedRandomSampler(torch.ones(300), 600))
    for _ in range(12):
        for x, y, index in loader:
            optimizer.zero_grad()
            tracker.loss(network(x), y, index).backward()  # type: ignore[no-untyped-call]
            optimizer.step()
        tracker.update()
    return tracker.flags


@pytest.mark.case(18)
def test_labels_that_an_augmentation_moves_are_judged_as_labels_that_stay() -> None:
    wrong = (torch.arange(300) % 10 == 0)[:, None]
    torch.testing.assert_close(flags_of_a_loop(1.0, labels_vary=True), wrong)
    torch.testing.assert_close(flags_of_a_loop(0.0, labels_vary=False), wrong)
    with pytest.raises(InvalidDataError, match="labels_vary=True"):
        flags_of_a_loop(1.0, labels_vary=False)


@pytest.mark.case(18)
def test_each_sample_has_one_vote_and_draws_do_not_cancel() -> None:
    """A wrong label and its mirror image have opposite residuals, whose mean would look right."""
    options = DeepGUMOptions(warmup_epochs=1)
    tracker, once = (ResponsibilityTracker(200, options=options, labels_vary=vary) for vary in (True, False))
    generator = torch.Generator().manual_seed(0)
    error = torch.randn(200, 1, generator=generator)
    error[:20] = 40 * torch.rand(20, 1, generator=generator) + 5
    index = torch.arange(200)
    for _ in range(2):
        tracker.loss(torch.zeros(200, 1), -error, index)
        tracker.loss(torch.zeros(200, 1), error, index)
        once.loss(torch.zeros(200, 1), error, index)
        for each in (tracker, once):
            each.update()
    torch.testing.assert_close(tracker.residuals, error)
    assert isinstance(tracker.mixture, GaussianUniformMixture)
    torch.testing.assert_close(tracker.flags, once.flags)
    assert tracker.flags[:20].float().mean() > 0.9


@pytest.mark.parametrize("ids", [[f"{k}.jpg" for k in range(B)], [100 - k for k in range(B)]])
@pytest.mark.parametrize("form", [list, np.array, tuple])
def test_ids_name_the_samples_in_place_of_positions(ids: list[Any], form: Any) -> None:
    named, plain = ResponsibilityTracker(B, ids=ids), ResponsibilityTracker(B)
    order = [3, 1, 6]
    for tracker, index in ((named, form([ids[k] for k in order])), (plain, order)):
        tracker.loss(P[order], T[order], index)
        tracker.update()
    torch.testing.assert_close(named.residuals, plain.residuals, equal_nan=True)
    named.record(form([ids[0]]), T[:1])
    named.update()
    assert named.residuals is not None
    torch.testing.assert_close(named.residuals[0], T[0])
    assert named.weights(form(ids[:2])).shape == plain.weights(INDEX[:2]).shape


def test_ids_that_cannot_be_looked_up_are_refused() -> None:
    with pytest.raises(InvalidDataError, match="`ids` should have length 8, one per sample"):
        ResponsibilityTracker(B, ids=["a", "b"])
    with pytest.raises(InvalidDataError, match="`ids` should be unique"):
        ResponsibilityTracker(B, ids=["a"] * B)
    tracker = ResponsibilityTracker(B, ids=list("abcdefgh"))
    for index in (["a", "z"], "z", torch.tensor([0, 1]), None):
        with pytest.raises(InvalidDataError, match="`index` should have ids of the tracker"):
            tracker.loss(P[:2], T[:2], index)
