"""Every epoch has every image once, in an order that the seed determines."""

import numpy as np
import pytest

import tinygen as tg
from tinygen import backend, data


@pytest.fixture
def dataset():
    """Images that hold their own number, with it as their label."""
    numbers = np.arange(23)
    return data.Dataset(np.broadcast_to(numbers[:, None, None, None], (23, 1, 2, 2)).astype(np.uint8), numbers)


def order(loader):
    return np.concatenate([labels for _, labels in loader])


def test_without_shuffling_batches_come_in_order_and_the_last_is_short(dataset):
    loader = data.DataLoader(dataset, 5)
    batches = list(loader)
    assert len(loader) == len(batches) == 5
    assert [len(images) for images, _ in batches] == [5, 5, 5, 5, 3]
    np.testing.assert_array_equal(order(loader), np.arange(23))


def test_a_batch_larger_than_the_set_holds_all_of_it(dataset):
    assert len(data.DataLoader(dataset, 100)) == 1
    assert [len(images) for images, _ in data.DataLoader(dataset, 100)] == [23]


def test_shuffling_shows_every_image_once_with_its_label_in_a_new_order_each_epoch(dataset):
    loader = data.DataLoader(dataset, 4, shuffle=True)
    first, second = order(loader), order(loader)
    assert sorted(first) == sorted(second) == list(range(23))
    assert (first != second).any()
    for images, labels in loader:
        np.testing.assert_array_equal(images[:, 0, 0, 0], labels)


def test_the_librarys_seed_fixes_the_order_of_every_epoch(dataset):
    loader = data.DataLoader(dataset, 4, shuffle=True)
    backend.manual_seed(5)
    epochs = [order(loader), order(loader)]
    backend.manual_seed(5)
    np.testing.assert_array_equal(order(loader), epochs[0])
    np.testing.assert_array_equal(order(data.DataLoader(dataset, 7, shuffle=True)), epochs[1])


def test_the_order_is_drawn_when_an_epoch_begins_and_only_with_shuffling(dataset):
    state = backend.get_rng_state()
    order(data.DataLoader(dataset, 4))
    assert backend.get_rng_state() == state
    epoch = iter(data.DataLoader(dataset, 4, shuffle=True))
    drawn = backend.get_rng_state()
    assert drawn != state
    list(epoch)
    assert backend.get_rng_state() == drawn


def test_batches_have_the_types_of_the_set_and_are_copies(dataset):
    images, labels = next(iter(data.DataLoader(dataset, 4)))
    assert (images.dtype, labels.dtype) == (dataset.images.dtype, dataset.labels.dtype)
    images[:] = 9
    assert dataset.images[0, 0, 0, 0] == 0


def test_a_set_without_labels_gives_none(dataset):
    assert all(labels is None for _, labels in data.DataLoader(data.Dataset(dataset.images), 10))


@pytest.mark.parametrize("batch_size", [0, -1])
def test_a_batch_size_below_one_is_refused(dataset, batch_size):
    with pytest.raises(ValueError, match=f"DataLoader: batch_size must be a whole number from 1, got {batch_size}"):
        data.DataLoader(dataset, batch_size)


def test_an_empty_set_is_refused(dataset):
    with pytest.raises(ValueError, match="holds no images"):
        data.DataLoader(dataset[:0], 4)


def test_a_short_batch_may_be_left_out(dataset):
    loader = data.DataLoader(dataset, 5, drop_last=True)
    assert len(loader) == 4
    assert [len(images) for images, _ in loader] == [5, 5, 5, 5]
    np.testing.assert_array_equal(order(loader), np.arange(20))
    assert len(data.DataLoader(dataset[:20], 5, drop_last=True)) == 4
    with pytest.raises(ValueError, match=r"^DataLoader: 23 images do not make one batch of 24"):
        data.DataLoader(dataset, 24, drop_last=True)


def test_a_batch_holds_what_the_transform_makes_of_its_images(dataset):
    loader = data.DataLoader(dataset, 5, transform=data.to_tanh_range)
    images = np.concatenate([images for images, _ in loader])
    np.testing.assert_array_equal(images, data.to_tanh_range(dataset.images))
    np.testing.assert_array_equal(order(loader), np.arange(23))


def test_stretches_go_over_as_many_passes_as_they_need_and_draw_when_they_begin(dataset):
    loader = data.DataLoader(dataset, 5, shuffle=True, drop_last=True)
    stretches = data.FixedSteps(loader, 10)
    assert len(stretches) == 10
    tg.manual_seed(0)
    batches = iter(stretches)
    after = backend.get_rng_state()
    seen = np.concatenate([labels for _, labels in batches])
    assert backend.get_rng_state() == after
    tg.manual_seed(0)
    expected = np.concatenate([order(loader) for _ in range(3)])  # two passes and a half
    np.testing.assert_array_equal(seen, expected[:50])
    assert len(list(data.FixedSteps(loader, 3))) == 3


def test_a_stretch_of_no_step_is_refused(dataset):
    with pytest.raises(ValueError, match=r"^FixedSteps: steps must be a whole number from 1, got 0$"):
        data.FixedSteps(data.DataLoader(dataset, 5), 0)


@pytest.mark.parametrize("batch_size", [2.5, "8", None, np.float32(4)])
def test_a_batch_size_is_whatever_pythons_index_takes(dataset, batch_size):
    assert len(data.DataLoader(dataset, np.int64(5))) == 5
    with pytest.raises(TypeError, match=r"^DataLoader: batch_size must be a whole number from 1, got "):
        data.DataLoader(dataset, batch_size)


def test_an_array_is_no_data_set(dataset):
    with pytest.raises(
        TypeError, match=r"^DataLoader: dataset must be a Dataset, as Dataset\(images\) makes, got ndarray of shape"
    ):
        data.DataLoader(dataset.images, 8)


@pytest.mark.parametrize("transform", [lambda images: images[:1], lambda images: None])
def test_a_transform_that_loses_images_is_refused(transform):
    dataset = data.Dataset(np.zeros((8, 1, 2, 2), "uint8"), np.arange(8))
    with pytest.raises(ValueError, match="DataLoader: transform must return one image for each of 4, got "):
        next(iter(data.DataLoader(dataset, 4, transform=transform)))
