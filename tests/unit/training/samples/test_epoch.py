"""The residuals of an epoch: an index stands for one sample, within a batch and between batches."""

import pytest
import torch

from deepgum.errors import InvalidDataError
from deepgum.processes import SOLO
from deepgum.training.samples.epoch import Epoch
from deepgum.training.samples.owners import Owners


def batch(index, labels):
    targets = torch.tensor(labels, dtype=torch.float32)[:, None]
    return torch.tensor(index), torch.zeros(len(index), 1), targets


@pytest.mark.parametrize(("index", "labels"), [([3, 1, 3], [5, 2, 6]), ([3, 1, 3, 2, 3], [5, 2, 6, 1, 5])])
def test_an_index_with_two_labels_is_refused_within_a_batch_and_between_batches(index, labels):
    with pytest.raises(InvalidDataError, match=r"Found different labels for the indices 3\."):
        Epoch(4).add(*batch(index, labels))
    epoch = Epoch(4)
    for each, label in zip(index, labels, strict=True):
        epoch.add(*batch([each], [label]))
    with pytest.raises(InvalidDataError, match=r"Found different labels for the indices 3\."):
        epoch.close(Owners(4, SOLO))


def test_an_index_can_occur_again_with_the_same_or_an_unknown_label():
    epoch = Epoch(4)
    epoch.add(*batch([3, 1, 3], [5, 2, 5]))
    epoch.add(torch.tensor([3]), torch.ones(1, 1))
    index, residuals = epoch.close(Owners(4, SOLO))
    assert index.tolist() == [1, 3]
    assert residuals.flatten().tolist() == [0.0, 1.0]
