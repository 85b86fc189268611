"""What a training run does, on a GPU: the same numbers to rounding, from the same seed, and arrays that stay there.

Here the GPU is the strict fake one, which refuses what a real one would; ``tests/gpu`` runs the same on a real one.
"""

from dataclasses import replace

import numpy as np
import pytest
from toy_vae import ToyVAE
from training.stopped_runs import IMAGES, OUTCOME, STEPS, NoisyVAE, Stopped, make_run

import tinygen as tg
import tinygen.functional as F
from tinygen import backend, checkpoint, evaluation, models, nn, optim
from tinygen.data import Dataset
from tinygen.models import ColourVAE, ConvVAE, DigitClassifier, GaussianPixels, Generator, SVHNClassifier
from tinygen.objectives import GAMES, NoisyLabels
from tinygen.training import GAN, Run, train_vae
from tinygen.training.classifier import train_classifier


@pytest.fixture
def numbers():
    return np.random.default_rng(0)


def everything_of(model):
    """All arrays of a model: parameters, their gradients, buffers."""
    parameters = model.parameters()
    return [
        *(p.data for p in parameters),
        *(p.grad.data for p in parameters if p.grad is not None),
        *(b.data for b in model.buffers()),
    ]


def assert_on(device, model):
    assert {backend.device_of(array) for array in everything_of(model)} == {device}


def assert_same(there, here, rtol=1e-5, atol=1e-6):
    """Lists of tensors or arrays, the first ones on a GPU, equal to rounding."""
    assert len(there) == len(here) > 0
    for one, other in zip(there, here, strict=True):
        np.testing.assert_allclose(backend.to_device(one, "cpu"), other, rtol=rtol, atol=atol)


def on_both(gpu, train):
    """What ``train(device)`` returns on the GPU and on the CPU, from the same seed."""
    found = []
    for device in (gpu, "cpu"):
        tg.manual_seed(0)
        found.append(train(device))
    return found


# Training steps ------------------------------------------------------------------------------------------------------


def test_a_vae_trains_along_the_same_losses(gpu, numbers):
    images = numbers.integers(0, 2, (3, 1, 28, 28))

    def train(device):
        model = ConvVAE(latent_size=4).to(device)
        optimizer = optim.Adam(model.parameters(), lr=1e-3)
        losses = []
        for _ in range(2):
            x = tg.tensor(images, dtype="float32", device=device)
            loss = -tg.mean(model.elbo(x))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        assert_on("cpu" if device == "cpu" else "gpu:0", model)
        return losses, everything_of(model)

    (there, state), (here, expected) = on_both(gpu, train)
    np.testing.assert_allclose(there, here, rtol=1e-5)
    assert there[0] != there[1]
    # Adam's first steps are the sign of the gradient, so a weight may differ where its gradient is rounding alone.
    far = [
        np.abs(backend.to_device(a, "cpu") - b) > 1e-5 + 1e-4 * np.abs(b) for a, b in zip(state, expected, strict=True)
    ]
    assert sum(map(np.sum, far)) < 1e-3 * sum(map(np.size, far))


class Critic(nn.Module):
    """A small critic of the kind that WGAN-GP trains."""

    def __init__(self):
        self.layers = nn.Sequential(
            nn.Conv2d(3, 4, 4, stride=2, padding=1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(4, 6, 4, stride=2, padding=1),
            nn.LeakyReLU(0.2),
            nn.Flatten(),
            nn.Linear(6 * 2 * 2, 1),
        )

    def forward(self, x):
        return self.layers(x)


def critic_loss(critic, real, fake):
    """Gulrajani et al. 2017, equation 3: the gradient of a norm of a gradient."""
    share = tg.rand(len(real), 1, 1, 1, device=real.device, dtype=real.dtype)
    between = (share * real + (1 - share) * fake).detach()
    between.requires_grad = True
    (slope,) = tg.grad(tg.sum(critic(between)), between, create_graph=True)
    penalty = tg.mean((tg.norm(tg.flatten(slope, 1), axis=1) - 1) ** 2)
    return tg.mean(critic(fake)) - tg.mean(critic(real)) + 10 * penalty


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_double_backprop_step_gives_the_same_gradients(gpu, numbers, dtype):
    real, fake = numbers.normal(size=(2, 3, 3, 8, 8))

    def train(device):
        critic = Critic().to(device).astype(dtype)
        optimizer = optim.Adam(critic.parameters(), lr=1e-3, betas=(0.0, 0.9))
        loss = critic_loss(critic, *(tg.tensor(x, dtype=dtype, device=device) for x in (real, fake)))
        loss.backward()
        gradients = [p.grad.data for p in critic.parameters()]
        optimizer.step()
        assert_on("cpu" if device == "cpu" else "gpu:0", critic)
        return [loss.data, *gradients]

    there, here = on_both(gpu, train)
    assert_same(there, here, *((2e-5, 2e-5) if dtype == "float32" else (1e-10, 1e-12)))
    assert {array.dtype for array in there} == {np.dtype(dtype)}


@pytest.mark.parametrize("learned", [False, True])
def test_a_vae_of_colour_images_trains_along_the_same_losses(gpu, numbers, learned):
    images = numbers.uniform(-1, 1, (4, 3, 32, 32))

    def train(device):
        model = ColourVAE(3, GaussianPixels(learned=learned), width=2).to(device).astype("float64")
        optimizer, average = optim.Adam(model.parameters(), 1e-3), optim.ExponentialMovingAverage(model, 0.9)
        loader = [(images, None)] * 2
        rows = train_vae(None, model, loader, optimizer, epochs=2, average=average)
        assert_on("cpu" if device == "cpu" else "gpu:0", model)
        with average.applied():
            drawn = evaluation.generate(model.decoder, tg.ones(2, 3, device=device, dtype="float64"))
        return [row["train_elbo"] for row in rows], [drawn, *everything_of(model)]

    (there, state), (here, expected) = on_both(gpu, train)
    np.testing.assert_allclose(there, here, rtol=1e-6)
    assert_same(state, expected, rtol=1e-3, atol=1e-5)


def test_a_training_step_of_wgan_gp_on_colour_images_gives_the_same_numbers(gpu, numbers):
    images = numbers.uniform(-1, 1, (8, 3, 32, 32))

    def train(device):
        generator, critic = (
            model.to(device).astype("float64") for model in (Generator(3, width=2), models.Critic(width=2))
        )
        gan = GAN(
            replace(GAMES["wasserstein_gradient"], n_critic=2),
            generator,
            critic,
            3,
            optim.Adam(generator.parameters(), 1e-3, (0.0, 0.9)),
            optim.Adam(critic.parameters(), 1e-3, (0.0, 0.9)),
            optim.ExponentialMovingAverage(generator, 0.9),
        )
        steps = [gan.train_step(tg.tensor(images, device=device)) for _ in range(2)]
        for model in (generator, critic):
            assert_on("cpu" if device == "cpu" else "gpu:0", model)
        return [list(metrics.values()) for metrics in steps], [gan.generate(gan.latents(2)), *everything_of(critic)]

    (there, state), (here, expected) = on_both(gpu, train)
    np.testing.assert_allclose(there, here, rtol=1e-6)
    assert_same(state, expected, rtol=1e-3, atol=1e-5)


GREY_GAMES = {
    "DCGAN": ("non_saturating", {"labels": NoisyLabels()}, models.DCGANGenerator, models.DCGANCritic, 64),
    "clipped": ("wasserstein_clip", {"n_critic": 2}, models.GreyGenerator, models.GreyCritic, 28),
    "penalised": (
        "wasserstein_gradient",
        {"n_critic": 2},
        models.GreyGenerator,
        lambda width: models.GreyCritic(width, normalised=False),
        28,
    ),
}


@pytest.mark.parametrize("name", GREY_GAMES)
def test_a_training_step_of_a_game_on_grey_images_gives_the_same_numbers(gpu, numbers, name):
    game, options, make_generator, make_critic, side = GREY_GAMES[name]
    images = numbers.uniform(-1, 1, (6, 1, side, side))

    def train(device):
        generator, critic = (
            model.to(device).astype("float64") for model in (make_generator(3, width=1), make_critic(width=1))
        )
        optimizers = [optim.Adam(player.parameters(), 1e-3, (0.5, 0.999)) for player in (generator, critic)]
        gan = GAN(replace(GAMES[game], **options), generator, critic, 3, *optimizers)
        steps = [gan.train_step(tg.tensor(images, device=device)) for _ in range(2)]
        for model in (generator, critic):
            assert_on("cpu" if device == "cpu" else "gpu:0", model)
        between = evaluation.interpolate_latents(generator, gan.latents(1), gan.latents(1), 3, spherical=True)
        return [list(metrics.values()) for metrics in steps], [between, *(p.data for p in critic.parameters())]

    (there, state), (here, expected) = on_both(gpu, train)
    np.testing.assert_allclose(there, here, rtol=1e-6)
    assert_same(state, expected, rtol=1e-3, atol=5e-3)  # Adam's first steps are signs, also of rounding


def test_a_classifier_with_noise_and_normalisation_trains_along_the_same_losses(gpu, numbers):
    images, labels = numbers.normal(size=(6, 3, 8, 8)), numbers.integers(0, 4, 6)

    def train(device):
        layers = [nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2), nn.Dropout2d(0.3)]
        layers += [
            nn.Flatten(),
            nn.Dropout(0.4),
            nn.Linear(64, 8),
            nn.BatchNorm1d(8),
            nn.SiLU(),
            nn.GroupNorm(2, 8),
            nn.Linear(8, 4),
        ]
        model = nn.Sequential(*layers).to(device).astype("float64")
        optimizer = optim.RMSprop(model.parameters())
        losses = []
        for _ in range(3):
            loss = F.cross_entropy(model(tg.tensor(images, device=device)), labels, label_smoothing=0.1)
            optimizer.zero_grad()
            loss.backward()
            assert optim.clip_grad_norm(model.parameters(), 1.0) > 0
            optimizer.step()
            losses.append(loss.item())
        model.eval()
        return losses, [model(tg.tensor(images, device=device)).data, *(b.data for b in model.buffers())]

    (there, state), (here, expected) = on_both(gpu, train)
    np.testing.assert_allclose(there, here, rtol=1e-7)
    assert_same(state, expected, 1e-6, 1e-6)


OPTIMIZERS = {
    "SGD": lambda parameters: optim.SGD(parameters, 0.1, momentum=0.9, weight_decay=0.01),
    "RMSprop": optim.RMSprop,
    "Adam": lambda parameters: optim.Adam(parameters, weight_decay=0.01),
}


@pytest.mark.parametrize("make", OPTIMIZERS.values(), ids=OPTIMIZERS)
def test_optimisers_make_the_same_steps_and_their_state_is_numpys(gpu, make):
    def train(device):
        layer = nn.Linear(3, 2).to(device).astype("float64")
        optimizer = make(layer.parameters())
        for index in range(4):
            if index == 2:  # stopped, saved, resumed
                state = optimizer.state_dict()
                optimizer = make(layer.parameters())
                optimizer.load_state_dict(state)
            tg.sum(layer(tg.ones(2, 3, device=device, dtype="float64")) ** 2).backward()
            optimizer.step()
        assert all(isinstance(array, np.ndarray) for slots in state["state"] for array in slots.values())
        return [p.data for p in layer.parameters()]

    assert_same(*on_both(gpu, train), 1e-12, 1e-14)


def test_the_average_of_weights_stays_with_them(gpu):
    model = NoisyVAE().to(gpu)
    average = optim.ExponentialMovingAverage(model, 0.5)
    average.update()
    state = average.state_dict()
    assert all(isinstance(array, np.ndarray) for array in state["average"])
    average.load_state_dict(state)
    average.update()
    with average.applied():
        assert_on("gpu:0", model)


def test_the_house_number_classifier_trains_and_gives_equal_results(gpu, numbers, tmp_path):
    images = Dataset(numbers.integers(0, 256, (6, 3, 32, 32), np.uint8), numbers.integers(0, 10, 6))

    def train(device):
        model, run = SVHNClassifier().to(device), Run(tmp_path / device)
        train_classifier(run, model, images, images, epochs=2, batch_size=3)
        assert_on("cpu" if device == "cpu" else "gpu:0", model)
        losses = np.array([row["train_cross_entropy"] for row in run.rows])
        return [losses, *evaluation.image_features(model, images.images, 4)]

    assert_same(*on_both(gpu, train), 1e-3, 1e-3)


# Evaluation ----------------------------------------------------------------------------------------------------------


def test_likelihoods_and_pictures_are_the_same(gpu, numbers):
    images, z = numbers.integers(0, 2, (5, 1, 2, 3)), numbers.normal(size=(5, 4, 2))

    def evaluate(device):
        model = ToyVAE(latent_size=2).to(device)
        with tg.no_grad():
            samples = model.sample(3).data
        origin = (tg.zeros(5, 2, device=device),) * 2
        importance = evaluation.log_likelihood(model, images.reshape(5, 6), z)
        assert importance.device == ("cpu" if device == "cpu" else "gpu:0")
        return [
            samples,
            importance.data,
            np.array(evaluation.elbo(model, images, 2)),
            np.array(evaluation.estimate_log_likelihood(model, images, 7, 2)),
            np.array(list(evaluation.measure_likelihoods(model, {"test": images}, 3).values())),
            evaluation.effective_sample_size(evaluation.log_weights(model, images, z, *origin)).data,
            evaluation.reconstruct(model, images),
            evaluation.manifold(model, 3),
            *evaluation.encode(model, images, 2),
            evaluation.interpolate(model, images[:2], images[2:4], 3),
        ]

    assert_same(*on_both(gpu, evaluate))


def test_the_convolutional_models_evaluate_the_same(gpu, numbers):
    images, z = numbers.integers(0, 2, (2, 1, 28, 28)), numbers.normal(size=(2, 3, 4))

    def evaluate(device):
        vae, classifier = ConvVAE(latent_size=4).to(device), DigitClassifier().to(device).eval()
        x = tg.tensor(images, dtype="float32", device=device)
        return [evaluation.log_likelihood(vae, x, z).data, F.softmax(classifier(x), axis=1).data]

    assert_same(*on_both(gpu, evaluate))


# Moving, saving, resuming --------------------------------------------------------------------------------------------


def test_a_model_moves_with_its_gradients_and_buffers_and_back_to_the_same_bits(gpu):
    model = NoisyVAE()
    tg.mean(model.elbo(tg.tensor(IMAGES, dtype="float32"))).backward()
    before = [array.copy() for array in everything_of(model)]
    model.to(gpu)
    assert_on("gpu:0", model)
    model.to(gpu)
    model.to("cpu")
    assert_on("cpu", model)
    for array, expected in zip(everything_of(model), before, strict=True):
        np.testing.assert_array_equal(array, expected)


def test_weights_are_exchanged_as_numpy_arrays_and_copied_to_the_device_of_the_model(gpu):
    there, here = NoisyVAE().to(gpu), NoisyVAE()
    state = there.state_dict()
    assert all(type(array) is np.ndarray for array in state.values())
    here.load_state_dict(state)
    there.load_state_dict(here.state_dict())
    assert_on("gpu:0", there)
    np.testing.assert_equal(there.state_dict(), here.state_dict())


def test_a_run_stopped_on_the_gpu_ends_with_the_same_bits(gpu, tmp_path):
    make_run(tmp_path / "whole", device=gpu)
    with pytest.raises(Stopped):
        make_run(tmp_path / "stopped", device=gpu, stop=("after the update", STEPS + 2), minutes=0.0)
    parts = make_run(tmp_path / "stopped", device=gpu, resume=True, seed=7)
    assert_on("gpu:0", parts["model"])
    for name in OUTCOME:
        assert (tmp_path / "stopped" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_a_run_goes_on_where_another_device_left_it(gpu, tmp_path):
    for name, first, second in (("gpu first", gpu, "cpu"), ("cpu first", "cpu", gpu)):
        with pytest.raises(Stopped):
            make_run(tmp_path / name, device=first, stop=("after the update", STEPS + 2), minutes=0.0)
        make_run(tmp_path / name, device=second, resume=True)
    rows = [checkpoint.load(tmp_path / name / "checkpoint.h5")["rows"] for name in ("gpu first", "cpu first")]
    assert_same(*([np.array(list(row.values())) for row in run] for run in rows), 1e-3)


# Tensors -------------------------------------------------------------------------------------------------------------


def test_chance_is_drawn_on_the_cpu_so_a_seed_means_the_same(gpu):
    def draw(device):
        x = tg.zeros(2, 3, device=device)
        drawn = [tg.randn(2, 3, device=device), tg.rand(4, device=device), tg.randn_like(x), tg.rand_like(x)]
        drawn += [F.dropout(x + 1), F.dropout2d(tg.ones(2, 3, 2, 2, device=device))]
        return [y.data for y in drawn]

    assert_same(*on_both(gpu, draw), 0, 0)


def test_tensors_come_and_go_and_are_told_apart(gpu):
    x = tg.tensor([1.5, -2.0], requires_grad=True).to(gpu)
    assert x.device == "gpu:0"
    assert x.to("cpu").device == "cpu"
    assert x.to(gpu) is x or x.to(gpu).data is x.data
    assert isinstance(x.numpy(), np.ndarray)
    assert repr(x).startswith("tensor([ 1.5, -2. ], dtype=float32, device='gpu:0'")
    assert tg.sum(x).item() == float(tg.sum(x)) == -0.5
    assert bool(tg.sum(x) < 0)
    assert [float(y) for y in x] == [1.5, -2.0]


def test_a_gradient_flows_back_across_devices(gpu):
    x = tg.tensor([1.0, 2.0], dtype="float64", requires_grad=True)
    y = tg.sum((x * 3).to(gpu) ** 2)
    y.backward()
    assert x.grad.device == "cpu"
    np.testing.assert_allclose(x.grad.numpy(), [18, 36], rtol=1e-14)  # a GPU's powers have another last digit


@pytest.mark.parametrize("swapped", [False, True])
def test_tensors_of_two_devices_are_an_error(gpu, swapped):
    x, y = tg.ones(2, device=gpu), tg.ones(2)
    with pytest.raises(tg.DeviceError, match=r"is on .*, another on .*; move one with \.to\(device\)"):
        (y * x) if swapped else (x * y)


def test_gradients_are_checked_against_differences_there_too(gpu, numbers):
    x, weight = (tg.tensor(a, device=gpu, requires_grad=True) for a in (numbers.normal(size=(1, 2, 4, 3)),) * 2)
    assert tg.gradgradcheck(lambda a, b: F.elu(F.conv2d(a, b, padding=1)), [x, weight])


def test_a_device_that_is_not_there_is_refused(gpu):
    assert tg.gpu_available()
    with pytest.raises(tg.DeviceError, match=r"device 'gpu:99': there are only \d+ GPUs, from gpu:0"):
        tg.zeros(2, device="gpu:99")
