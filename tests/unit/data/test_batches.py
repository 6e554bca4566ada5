"""Batches carry indices, and whatever belongs to a sample follows it through shuffling and mirroring."""

import pytest
import torch

from deepgum.data.batches import ordered_batches, shuffled_batches
from deepgum.data.mirror import Mirror
from deepgum.data.regression import RegressionData


@pytest.fixture
def faces() -> RegressionData:
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randint(0, 256, (23, 1, 6, 6), generator=generator, dtype=torch.uint8)
    targets = torch.rand(23, 6, generator=generator)
    return RegressionData.from_arrays(inputs, targets, mirror=Mirror.landmarks([(0, 1)], 3))


def test_ordered_batches_are_the_data_in_its_order(faces):
    batches = list(ordered_batches(faces, batch_size=5))
    assert torch.equal(torch.cat([b.index for b in batches]), torch.arange(23))
    assert torch.equal(torch.cat([b.targets for b in batches]), faces.targets)
    assert torch.equal((torch.cat([b.inputs for b in batches]) * 255).round().to(torch.uint8), faces.inputs)


def test_every_sample_comes_once_under_its_own_index(faces):
    batches = list(shuffled_batches(faces, 5, torch.Generator().manual_seed(1), mirror=False))
    index = torch.cat([b.index for b in batches])
    assert not torch.equal(index, torch.arange(23))
    assert torch.equal(index.sort().values, torch.arange(23))
    assert torch.equal(torch.cat([b.targets for b in batches]), faces.targets[index])


def test_a_lonely_last_sample_is_left_out_but_not_the_only_one(faces):
    sizes = [len(b.index) for b in shuffled_batches(faces, 11, torch.Generator(), mirror=False)]
    assert sizes == [11, 11]
    one = faces.subset([3])
    assert [len(b.index) for b in shuffled_batches(one, 11, torch.Generator())] == [1]


def test_mirrored_samples_carry_mirrored_images_targets_and_weights(faces):
    # Each weight tells its sample and its coordinate, so that any misplacement shows.
    weights = torch.arange(23.0)[:, None] * 10 + torch.arange(6.0)
    seen = {True: 0, False: 0}
    for batch in shuffled_batches(faces, 7, torch.Generator().manual_seed(2)):
        carried = batch.per_coordinate(weights[batch.index])
        for row, sample in enumerate(batch.index.tolist()):
            image, target = faces.inputs[sample].float() / 255, faces.targets[sample]
            flipped = bool(batch.mirrored[row])
            seen[flipped] += 1
            if flipped:
                # Landmarks 0 and 1 change places, 2 stays; x becomes 1 - x.
                expected = torch.stack([1 - target[2], target[3], 1 - target[0], target[1], 1 - target[4], target[5]])
                expected_weights = weights[sample][[2, 3, 0, 1, 4, 5]]
                image = image.flip(-1)
            else:
                expected, expected_weights = target, weights[sample]
            torch.testing.assert_close(batch.targets[row], expected)
            assert torch.equal(carried[row], expected_weights)
            torch.testing.assert_close(batch.inputs[row], image)
    assert min(seen.values()) >= 5


def test_a_scale_is_mirrored_with_its_coordinates(faces):
    batch = next(iter(shuffled_batches(faces, 22, torch.Generator().manual_seed(2))))
    scale = batch.per_coordinate(torch.arange(6.0))
    assert scale.shape == (22, 6)
    assert torch.equal(scale[batch.mirrored][0], torch.tensor([2.0, 3, 0, 1, 4, 5]))
    assert torch.equal(scale[~batch.mirrored][0], torch.arange(6.0))


def test_the_generator_decides_all(faces):
    first, second = (
        [b.index.tolist() + b.mirrored.tolist() for b in shuffled_batches(faces, 5, torch.Generator().manual_seed(s))]
        for s in (4, 4)
    )
    assert first == second


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("shape", [(23, 4, 3, 3), (23, 5), (23, 2, 5)])
def test_mirrored_samples_take_the_inputs_that_are_given_for_them(dtype, shape):
    generator = torch.Generator().manual_seed(0)
    inputs, mirrored = torch.randn(2, *shape, generator=generator).to(dtype)
    mirror = Mirror.landmarks([], 1)
    data = RegressionData.from_arrays(inputs, torch.rand(23, 2), mirror=mirror, mirrored_inputs=mirrored)
    seen = set()
    for batch in shuffled_batches(data, 7, torch.Generator().manual_seed(2)):
        assert batch.inputs.dtype == torch.float32
        for row, sample in enumerate(batch.index.tolist()):
            flipped = bool(batch.mirrored[row])
            seen.add(flipped)
            assert torch.equal(batch.inputs[row], (mirrored if flipped else inputs)[sample].float())
            assert batch.targets[row, 0] == (1 - data.targets[sample, 0] if flipped else data.targets[sample, 0])
    assert seen == {True, False}
    never = [*ordered_batches(data, 7), *shuffled_batches(data, 7, torch.Generator(), mirror=False)]
    assert all(torch.equal(batch.inputs, inputs[batch.index].float()) for batch in never)


def test_the_order_of_the_inputs_in_memory_changes_nothing(faces):
    both = torch.stack([faces.inputs.float() / 255, faces.inputs.flip(-1).float() / 255], dim=1)
    # Channels last, two rows a sample: as a trunk's outputs are kept on disk.
    kept = both.movedim(2, -1).contiguous().movedim(-1, 2)
    features = RegressionData.from_arrays(kept[:, 0], faces.targets, mirror=faces.mirror, mirrored_inputs=kept[:, 1])
    arrays = RegressionData.from_arrays(
        both[:, 0].numpy(), faces.targets, mirror=faces.mirror, mirrored_inputs=both[:, 1].numpy()
    )
    flipping = RegressionData.from_arrays(both[:, 0], faces.targets, mirror=faces.mirror)
    expected = list(shuffled_batches(faces, 5, torch.Generator().manual_seed(4)))
    for data in (features, arrays, flipping, features.subset(range(23)), arrays.subset(range(23))):
        batches = list(shuffled_batches(data, 5, torch.Generator().manual_seed(4)))
        for batch, other in zip(batches, expected, strict=True):
            torch.testing.assert_close(batch.inputs, other.inputs)
            assert torch.equal(batch.targets, other.targets)
