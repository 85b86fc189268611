"""The ELBO and importance sampling against models whose likelihood is known, and against a computation in float64 that
spares neither memory nor loops."""

import math
import re
import tracemalloc

import numpy as np
import pytest
from scipy import special, stats
from toy_vae import GaussianVAE, ToyVAE, exact_log_likelihood

import tinygen as tg
from tinygen import evaluation, nn
from tinygen.data import DataLoader, Dataset
from tinygen.evaluation import likelihood
from tinygen.models import MLPVAE, VAE, ColourVAE, ConvVAE
from tinygen.optim import Adam
from tinygen.training import train_vae


@pytest.fixture
def numbers():
    return np.random.default_rng(0)


@pytest.fixture
def coins(numbers):
    """0/1 images (8, 1, 2, 3)."""
    return numbers.integers(0, 2, (8, 1, 2, 3)).astype("uint8")


@pytest.fixture(params=[1, 2], ids=["one latent", "two latents"])
def toy(request):
    tg.manual_seed(0)
    model = ToyVAE(request.param).astype("float64")
    model.decoder[0].weight.data = 2 * model.decoder[0].weight.data
    encoder = model.encoder[2]  # wider than the posterior, so that no weight is far above the others
    encoder.weight.data, encoder.bias.data = 0.3 * encoder.weight.data, 0 * encoder.bias.data
    return model


def posterior_draws(model, images, K, numbers):
    """z (M, K, L) from q(z|x)."""
    mean, logvar = (a.numpy() for a in model.encode(tg.tensor(images, dtype=model.parameters()[0].dtype)))
    return mean[:, None] + np.exp(logvar / 2)[:, None] * numbers.normal(size=(len(images), K, model.latent_size))


def naive_log_likelihood(model, images, z):
    """Burda et al.'s estimate, eq. 8, one weight at a time, each density by SciPy in float64."""
    mean, logvar = (a.numpy().astype("float64") for a in model.encode(tg.tensor(images, dtype="float32")))
    estimates = []
    for i, x in enumerate(images.astype("float64")):
        log_weights = []
        for draw in z[i]:
            logits = model.decode(tg.tensor(draw[None], dtype="float32")).numpy().astype("float64")[0]
            log_weights.append(
                special.log_expit(np.where(x > 0, logits, -logits)).sum()
                + stats.norm.logpdf(draw).sum()
                - stats.norm.logpdf(draw, mean[i], np.exp(logvar[i] / 2)).sum()
            )
        estimates.append(special.logsumexp(log_weights) - math.log(len(log_weights)))
    return np.array(estimates)


# The ELBO ------------------------------------------------------------------------------------------------------------


def test_elbo_is_the_mean_over_all_images_whatever_the_batches(toy, coins):
    tg.manual_seed(3)
    whole = evaluation.elbo(toy, coins)
    for batch_size in (1, 3, 8, 100):
        tg.manual_seed(3)  # draws come in the same order
        assert evaluation.elbo(toy, coins, batch_size) == pytest.approx(whole, rel=1e-12)


def test_elbo_is_below_the_log_likelihood_on_average(toy, coins):
    tg.manual_seed(0)
    many = np.repeat(coins, 500, axis=0)
    with tg.no_grad():
        values = toy.elbo(tg.tensor(many, dtype="float64")).numpy().reshape(8, 500)
    error = values.std(axis=1, ddof=1) / math.sqrt(500)
    assert (values.mean(axis=1) < exact_log_likelihood(toy, coins) + 4 * error).all()


def test_elbo_of_the_exact_posterior_is_the_log_likelihood(numbers):
    model = exact_gaussian_model()
    images = numbers.normal(size=(5, 1, 2, 3))
    tg.manual_seed(0)
    values = model.elbo(tg.tensor(np.repeat(images, 4000, axis=0))).numpy().reshape(5, 4000)
    error = values.std(axis=1, ddof=1) / math.sqrt(4000)
    assert (np.abs(values.mean(axis=1) - gaussian_log_likelihood(model, images)) < 4.5 * error).all()


def exact_gaussian_model():
    """x = w z + b + noise, with the encoder that Bayes' rule gives: z|x ~ N(w.(x - b) / (s + w.w), s / (s + w.w))."""
    tg.manual_seed(1)
    model = GaussianVAE().astype("float64")
    w, b = model.decoder[0].weight.numpy()[:, 0], model.decoder[0].bias.numpy()
    precision = model.VARIANCE + w @ w
    encoder = model.encoder[2]
    encoder.weight.data = np.stack([w / precision, np.zeros(6)])
    encoder.bias.data = np.array([-w @ b / precision, math.log(model.VARIANCE / precision)])
    return model


def gaussian_log_likelihood(model, images):
    w, b = model.decoder[0].weight.numpy(), model.decoder[0].bias.numpy()
    return stats.multivariate_normal.logpdf(images.reshape(-1, 6), b, w @ w.T + model.VARIANCE * np.eye(6))


# Importance sampling -------------------------------------------------------------------------------------------------


def test_importance_sampling_equals_the_integral_within_its_standard_error(toy, coins, numbers):
    K, repeats = 100, 60
    runs = [
        evaluation.log_likelihood(toy, coins, posterior_draws(toy, coins, K, numbers)).numpy() for _ in range(repeats)
    ]
    error = np.std(runs, axis=0, ddof=1) / math.sqrt(repeats)
    bias = np.var(runs, axis=0, ddof=1) / 2  # of a logarithm of a mean, to first order
    gap = np.mean(runs, axis=0) - exact_log_likelihood(toy, coins)
    assert (np.abs(gap + bias) < 4.5 * error + bias).all()
    assert (error < 0.05).all()


def test_importance_sampling_from_the_exact_posterior_needs_one_draw(numbers):
    """Every weight p(x|z) p(z) / q(z|x) is p(x) itself, by Bayes' rule."""
    model = exact_gaussian_model()
    images = numbers.normal(size=(4, 1, 2, 3))
    z = numbers.normal(size=(4, 3, 1))
    found = evaluation.log_likelihood(model, images, z).numpy()
    np.testing.assert_allclose(found, gaussian_log_likelihood(model, images), rtol=1e-10)


def test_importance_sampling_of_the_real_model_agrees_with_a_naive_computation_in_float64(numbers):
    tg.manual_seed(0)
    model = ConvVAE(latent_size=20)
    images = numbers.integers(0, 2, (3, 1, 28, 28), "uint8")
    z = posterior_draws(model, images, 5, numbers)
    found = evaluation.log_likelihood(model, images.reshape(3, 784), z)
    assert found.shape == (3,)
    assert found.dtype == "float32"
    expected = naive_log_likelihood(model, images, z)
    np.testing.assert_allclose(found.numpy(), expected, rtol=3e-6)
    assert (expected < -500).all()  # e^-500 is 0 in float32: no weight could be formed
    assert math.exp(expected.max()) < np.finfo("float32").smallest_subnormal


def test_each_image_has_its_own_draws_also_across_the_pieces_that_are_decoded_at_once(toy, coins, numbers, monkeypatch):
    z = posterior_draws(toy, coins, 7, numbers)
    whole = evaluation.log_likelihood(toy, coins, z).numpy()
    one_by_one = [evaluation.log_likelihood(toy, coins[i : i + 1], z[i : i + 1]).item() for i in range(8)]
    np.testing.assert_allclose(whole, one_by_one, rtol=1e-12)
    for pieces in (1, 3, 5, 10, 56):
        monkeypatch.setattr(likelihood, "LATENTS_PER_BATCH", pieces)
        np.testing.assert_allclose(evaluation.log_likelihood(toy, coins, z).numpy(), whole, rtol=1e-12)


class Widening(VAE):
    """A decoder that computes 4,000 numbers for each image: ten thousand latents would need 160 MB at once."""

    image_shape = (1, 1, 4)
    latent_size = 2

    def __init__(self):
        self.encoder = nn.Sequential(nn.Flatten(), nn.Linear(4, 4))
        self.decoder = nn.Sequential(nn.Linear(2, 4_000), nn.ReLU(), nn.Linear(4_000, 4), nn.Unflatten(1, (1, 1, 4)))


def test_importance_sampling_of_many_draws_takes_bounded_memory(numbers):
    model = Widening()
    images, z = numbers.integers(0, 2, (50, 4), "uint8"), numbers.normal(size=(50, 200, 2)).astype("float32")
    tracemalloc.start()
    try:
        evaluation.log_likelihood(model, images, z)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 4 * likelihood.LATENTS_PER_BATCH * 4_000 * 4


def test_images_may_be_flat_or_not_arrays_or_tensors_of_any_type(toy, coins, numbers):
    z = posterior_draws(toy, coins, 3, numbers)
    expected = evaluation.log_likelihood(toy, coins, z).numpy()
    flat = coins.reshape(8, 6)
    for x in (flat, flat.astype("float32"), flat.astype(bool), tg.tensor(flat), tg.tensor(coins, dtype="float64")):
        np.testing.assert_array_equal(evaluation.log_likelihood(toy, x, tg.tensor(z)).numpy(), expected)


def test_nothing_is_remembered_for_a_gradient(toy, coins, numbers):
    found = evaluation.log_likelihood(toy, coins, posterior_draws(toy, coins, 2, numbers))
    assert not found.requires_grad
    assert found.node is None
    assert toy.elbo(tg.tensor(coins, dtype="float64")).requires_grad  # recording is on again


def test_shapes_that_do_not_belong_together_are_refused(coins, numbers):
    model = ToyVAE(latent_size=2)
    for shape in [(8, 3, 1), (7, 3, 2), (8, 2), (8, 0, 2)]:
        with pytest.raises(ValueError, match=r"log_likelihood: z must have shape \(8, K, 2\), got"):
            evaluation.log_likelihood(model, coins, np.zeros(shape))
    for x in (coins[:, :, :1], coins.reshape(-1)):
        with pytest.raises(
            ValueError, match=r"log_likelihood: images must have shape \(N, 1, 2, 3\) or \(N, 6\) with N > 0, got"
        ):
            evaluation.log_likelihood(model, x, np.zeros((8, 3, 2)))


# The estimate over a data set ----------------------------------------------------------------------------------------


def test_the_standard_error_is_that_of_the_mean_over_the_images(toy, coins):
    exact = exact_log_likelihood(toy, coins)
    tg.manual_seed(0)
    mean, standard_error = evaluation.estimate_log_likelihood(toy, coins, num_samples=3000, batch_size=3)
    assert mean == pytest.approx(exact.mean(), abs=0.005)
    assert standard_error == pytest.approx(exact.std(ddof=1) / math.sqrt(8), rel=0.01)


def test_the_estimate_rises_from_the_elbo_toward_the_truth_with_the_draws(toy, coins):
    many = np.repeat(coins, 300, axis=0)
    tg.manual_seed(0)
    bounds = [evaluation.elbo(toy, many)]
    bounds += [evaluation.estimate_log_likelihood(toy, many, num_samples=K)[0] for K in (5, 100)]
    assert bounds == sorted(bounds)
    assert bounds[-1] == pytest.approx(exact_log_likelihood(toy, coins).mean(), abs=0.02)


def test_the_estimate_does_not_depend_on_the_batches(toy, coins):
    found = set()
    for batch_size in (1, 5, 64):
        tg.manual_seed(2)
        found.add(round(evaluation.estimate_log_likelihood(toy, coins, 4, batch_size)[0], 9))
    assert len(found) == 1


def test_arguments_out_of_range_are_refused(toy, coins):
    for arguments, message in (
        ((coins[:1],), "images must be 2 or more, for a standard error, got 1"),
        ((coins, 0), "num_samples must be a whole number from 1, got 0"),
        ((coins, 5, 0), "batch_size must be a whole number from 1, got 0"),
    ):
        with pytest.raises(ValueError, match=f"^estimate_log_likelihood: {message}"):
            evaluation.estimate_log_likelihood(toy, *arguments)
    for arguments, message in (((coins[:0],), "images must have shape .* N > 0"), ((coins, 0), "batch_size must be a")):
        with pytest.raises(ValueError, match=f"^elbo: {message}"):
            evaluation.elbo(toy, *arguments)


# Modes ---------------------------------------------------------------------------------------------------------------

CALLS = {
    "elbo": lambda model, x: evaluation.elbo(model, x),
    "log_likelihood": lambda model, x: evaluation.log_likelihood(model, x, np.zeros((len(x), 2, 1))),
    "estimate_log_likelihood": lambda model, x: evaluation.estimate_log_likelihood(model, x, 2),
    "reconstruct": lambda model, x: evaluation.reconstruct(model, x),
    "interpolate": lambda model, x: evaluation.interpolate(model, x, x, 3),
}

each_call = pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)


def some_modes(model):
    model.train()
    model.encoder[1].eval()  # frozen by hand
    return [module.training for module in model.modules()]


@each_call
def test_evaluation_is_without_dropout_and_leaves_every_module_in_its_mode(call, coins, monkeypatch):
    model = ToyVAE(dropout=0.5)
    modes = some_modes(model)
    seen = []
    forward = nn.Dropout.forward
    monkeypatch.setattr(nn.Dropout, "forward", lambda self, x: (seen.append(self.training), forward(self, x))[1])
    call(model, coins)
    assert set(seen) == {False}
    assert [module.training for module in model.modules()] == modes


@each_call
def test_modes_come_back_after_an_error(call, coins, monkeypatch):
    model = ToyVAE()
    modes = some_modes(model)

    def fail(z):
        raise KeyboardInterrupt

    monkeypatch.setattr(model, "decode", fail)
    with pytest.raises(KeyboardInterrupt):
        call(model, coins)
    assert [module.training for module in model.modules()] == modes
    assert model.elbo.__self__ is model
    assert (tg.tensor([1.0], requires_grad=True) * 2).requires_grad  # recording is on again


# Weights, by whatever draws ------------------------------------------------------------------------------------------


def test_weights_of_draws_from_the_prior_are_likelihoods(toy, coins, numbers):
    z = tg.tensor(numbers.normal(size=(8, 5, toy.latent_size)))
    origin = tg.zeros(8, toy.latent_size, dtype="float64")
    found = evaluation.log_weights(toy, coins, z, origin, origin).numpy()
    for k in range(5):
        expected = toy.log_likelihood(toy.decode(z[:, k]), tg.tensor(coins, dtype="float64")).numpy()
        np.testing.assert_allclose(found[:, k], expected, rtol=1e-12)


@pytest.mark.parametrize("wide", [0.0, 0.5])
def test_the_mean_weight_is_the_likelihood_whatever_proposes_the_draws(toy, coins, numbers, wide):
    """Within the standard error that the weights themselves show: the integral is known."""
    K = 4000
    mean = tg.tensor(np.full((8, toy.latent_size), wide / 2))
    logvar = tg.tensor(np.full((8, toy.latent_size), wide))
    z = mean.numpy()[:, None] + math.exp(wide / 2) * numbers.normal(size=(8, K, toy.latent_size))
    log_weights = evaluation.log_weights(toy, coins, z, mean, logvar).numpy()
    ratios = np.exp(log_weights - exact_log_likelihood(toy, coins)[:, None])
    error = ratios.std(axis=1, ddof=1) / math.sqrt(K)
    assert (np.abs(ratios.mean(axis=1) - 1) < 4.5 * error).all()
    assert (error < 0.1).all()


def test_weights_of_the_exact_posterior_are_all_alike_and_count_in_full(numbers):
    model = exact_gaussian_model()
    images = tg.tensor(numbers.normal(size=(3, 1, 2, 3)))
    log_weights = evaluation.log_weights(model, images, numbers.normal(size=(3, 7, 1)), *model.encode(images))
    np.testing.assert_allclose(np.ptp(log_weights.numpy(), axis=1), 0, atol=1e-9)
    np.testing.assert_allclose(evaluation.effective_sample_size(log_weights).numpy(), 7, rtol=1e-9)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_effective_sample_size_counts_the_weights_that_count(dtype):
    log_weights = tg.tensor([[0.0] * 4, [0.0, -2000.0, -2000.0, -2000.0], [-3000.0, -3000.0, -5000.0, -5000.0]])
    found = evaluation.effective_sample_size(log_weights.astype(dtype)).numpy()
    np.testing.assert_allclose(found, [4, 1, 2], rtol=1e-3 if dtype == "float32" else 1e-12)
    mixed = np.log([[1.0, 2.0, 3.0]])
    assert evaluation.effective_sample_size(tg.tensor(mixed)).item() == pytest.approx(36 / 14)


def test_draws_from_the_prior_count_less_the_more_dimensions_there_are(numbers):
    """For x = z + s noise, the share of draws that count is a product over dimensions, in closed form."""
    s = 0.5
    for dimensions in (1, 2, 4):
        z = numbers.normal(size=(1, 200_000, dimensions))
        log_weights = tg.tensor(stats.norm.logpdf(0.0, z, s).sum(axis=2))
        share = evaluation.effective_sample_size(log_weights).item() / 200_000
        one = stats.norm.pdf(0, 0, math.sqrt(1 + s**2)) ** 2
        square = stats.norm.pdf(0, 0, math.sqrt(1 + s**2 / 2)) / (2 * s * math.sqrt(math.pi))
        assert share == pytest.approx((one / square) ** dimensions, rel=0.05)


def test_weights_far_below_what_float32_holds_have_a_right_mean(numbers):
    """Ten thousand pixels that nothing explains: each log weight is below -700, where even float64's e^x is 0."""
    tg.manual_seed(0)
    model = MLPVAE(2, hidden=(4,), image_shape=(1, 100, 100))
    images = numbers.integers(0, 2, (3, 1, 100, 100)).astype("uint8")
    z = posterior_draws(model, images, 6, numbers)
    mean, logvar = model.encode(tg.tensor(images, dtype="float32"))
    log_weights = evaluation.log_weights(model, images, z, mean, logvar)
    assert log_weights.dtype == "float32"
    assert (log_weights.numpy() < -6000).all()
    found = evaluation.log_likelihood(model, images, z).numpy()
    np.testing.assert_allclose(found, naive_log_likelihood(model, images, z), rtol=2e-6)


def test_log_weights_errors_state_the_expected_shape(toy, coins):
    origin = tg.zeros(8, toy.latent_size, dtype="float64")
    with pytest.raises(ValueError, match=rf"^log_weights: z must have shape \(8, K, {toy.latent_size}\), got"):
        evaluation.log_weights(toy, coins, np.zeros((8, 3, toy.latent_size + 1)), origin, origin)
    with pytest.raises(ValueError, match=r"^log_weights: images must have shape"):
        evaluation.log_weights(toy, coins[:, :, 1:], np.zeros((8, 3, toy.latent_size)), origin, origin)


def test_the_numbers_that_vaes_are_compared_by_are_those_of_each_split(toy, coins):
    tg.manual_seed(4)
    results = evaluation.measure_likelihoods(
        toy, {"valid": coins[:5], "test": coins}, num_samples=9, likelihood_images=4
    )
    tg.manual_seed(4)
    for name, images, kept in (("valid", coins[:5], [0, 1, 2, 3]), ("test", coins, [0, 2, 4, 6])):
        assert results[f"{name}_elbo"] == evaluation.elbo(toy, images)
        expected = evaluation.estimate_log_likelihood(toy, images[kept], 9)
        assert (results[f"{name}_log_likelihood"], results[f"{name}_log_likelihood_standard_error"]) == expected
    assert len(results) == 6


# Images that are none of the model's ---------------------------------------------------------------------------------

OF_IMAGES = {  # every function of a VAE and images, and what its errors name
    "elbo": lambda model, x: evaluation.elbo(model, x),
    "log_likelihood": lambda model, x: evaluation.log_likelihood(model, x, np.zeros((len(x), 2, model.latent_size))),
    "log_weights": lambda model, x: evaluation.log_weights(
        model, x, *(np.zeros((len(x), *middle, model.latent_size)) for middle in ((2,), (), ()))
    ),
    "estimate_log_likelihood": lambda model, x: evaluation.estimate_log_likelihood(model, x, 2),
    "encode": lambda model, x: evaluation.encode(model, x),
    "reconstruct": lambda model, x: evaluation.reconstruct(model, x),
    "interpolate": lambda model, x: evaluation.interpolate(model, x, x, 3),
    "active_units": lambda model, x: evaluation.active_units(model, x),
    "train_vae": lambda model, x: train_vae(None, model, DataLoader(Dataset(x), 4), Adam(model.parameters()), epochs=1),
}

each_function = pytest.mark.parametrize(("name", "function"), OF_IMAGES.items(), ids=OF_IMAGES)


@each_function
def test_numbers_that_are_no_pixels_of_the_model_are_refused(name, function, coins):
    bernoulli, colour = ToyVAE(), ColourVAE(2, width=2)
    spoilt = coins.astype("float32")
    spoilt[3, 0, 1, 1] = np.nan
    bytes_of_255 = coins * np.uint8(255)
    for model, images, problem in (
        (bernoulli, bytes_of_255, r"images must hold numbers in \[0, 1\], got 0 to 255; data\.binarize"),
        (bernoulli, bytes_of_255.astype("float32"), r"images must hold numbers in \[0, 1\], got 0 to 255"),
        (bernoulli, 2.0 * coins - 1, r"images must hold numbers in \[0, 1\], got -1 to 1"),
        (bernoulli, spoilt, r"images must hold numbers in \[0, 1\], got nan to nan"),
        (GaussianVAE(), spoilt, "images must hold finite numbers, got nan to nan"),
        (bernoulli, 7 * coins.astype("int64"), r"images must hold numbers in \[0, 1\], got 0 to 7"),
        (colour, np.full((4, 3, 32, 32), 1.5, "float32"), r"images must hold numbers in \[-1, 1\], got 1.5 to 1.5"),
        (colour, np.ones((4, 3, 32, 32), "uint8"), r"images of this model must be floating point in \[-1, 1\]"),
        (colour, np.ones((4, 3, 32, 32), bool), r"images of this model must be floating point in \[-1, 1\]"),
    ):
        with pytest.raises(ValueError, match=f"^{name}: {problem}"):
            function(model, images)


@each_function
def test_images_whose_channels_come_last_are_refused_and_flat_ones_taken(name, function):
    model = ColourVAE(2, width=2)
    images = np.random.default_rng(0).uniform(-1, 1, (4, 3, 32, 32)).astype("float32")
    shapes = r"\(N, 3, 32, 32\) or \(N, 3072\) with N > 0, got "
    for wrong in (images.transpose(0, 2, 3, 1), images[:, :1], images.reshape(4, 3, -1), images[:, None]):
        with pytest.raises(ValueError, match=f"^{name}: images must have shape {shapes}{re.escape(str(wrong.shape))}$"):
            function(model, wrong)
    function(model, images)
    function(model, images.reshape(4, -1))


def test_pixels_between_0_and_1_are_means_of_binarisations_and_rounding_is_forgiven(coins):
    model = ToyVAE()
    for images in (coins, coins.astype(bool), coins * np.float16(0.5), coins * np.float32(1.0005)):
        assert math.isfinite(evaluation.elbo(model, images))


def test_a_model_states_its_own_range_of_pixels(coins):
    class Bytes(GaussianVAE):
        pixel_range = (0.0, 255.0)

    class Own(ToyVAE):
        def log_likelihood(self, decoded, x):
            return -((x - decoded) ** 2).sum(axis=(1, 2, 3))

    assert (ToyVAE().pixel_range, GaussianVAE().pixel_range, Own().pixel_range) == ((0, 1), None, None)
    assert (ColourVAE(2, width=2).pixel_range, MLPVAE().pixel_range) == ((-1, 1), (0, 1))
    greys = coins * np.uint8(255)
    for model, images in ((Bytes(), greys), (Own(), greys.astype("float32"))):
        assert np.isfinite(evaluation.encode(model, images)).all()
    with pytest.raises(ValueError, match=r"^elbo: images must hold numbers in \[0, 255\], got 0 to 510"):
        evaluation.elbo(Bytes(), 2.0 * greys)


def test_the_models_own_bound_is_refused_too_where_nothing_has_to_wait(coins, gpu):
    greys = tg.tensor(coins * np.float32(255))
    for bound in (ToyVAE().elbo, ToyVAE().elbo_terms):
        with pytest.raises(ValueError, match=r"^ToyVAE: images must hold numbers in \[0, 1\], got 0 to 255"):
            bound(greys)
    ToyVAE().to(gpu).elbo(greys.to(gpu))
    for images in (greys, greys.to(gpu), greys.numpy()):
        with pytest.raises(ValueError, match=r"^elbo: images must hold numbers in \[0, 1\], got 0 to 255"):
            evaluation.elbo(ToyVAE().to(gpu), images)
