"""M2: its bounds beside the exact likelihoods of a small model, and what its networks have in common."""

import itertools
import math

import numpy as np
import pytest
from scipy import special

import tinygen as tg
from tinygen import nn
from tinygen.models import M2, GaussianPixels
from tinygen.optim import Adam

D, K = 3, 4
STATES = np.array(list(itertools.product([0.0, 1.0], repeat=D)))  # (8, 3), all images
NODES, WEIGHTS = np.polynomial.hermite_e.hermegauss(80)
LOG_PRIOR = np.log(WEIGHTS / WEIGHTS.sum())  # of the nodes, as points of N(0, 1)
DRAWS = 4000


@pytest.fixture
def model():
    tg.manual_seed(0)
    made = M2(D, K, latent_size=1, hidden=(6,), activation=nn.Tanh).astype("float64")
    for parameter in made.parameters():
        parameter.data = parameter.data * 2  # bounds that are not tight
    return made


def exact(model):
    """log p(x, y) of all images and classes by Gauss and Hermite's rule: (8, K)."""
    logits = np.stack([model.decoder(tg.tensor(pairs(y))).numpy() for y in range(K)])  # (K, nodes, D)
    images = STATES[:, None, None]
    log_p = (images * logits - np.logaddexp(0, logits)).sum(axis=-1)  # (8, K, nodes)
    return special.logsumexp(log_p + LOG_PRIOR, axis=-1) - math.log(K)


def pairs(y):
    """The decoder's inputs (y, z) for the nodes z."""
    return np.concatenate([np.tile(np.eye(K)[y], (len(NODES), 1)), NODES[:, None]], axis=1)


def kl_of_z(model):
    """KL(q(z|x, y) || p(z|x, y)) of all images and classes by quadrature over q: (8, K)."""
    found = np.empty((len(STATES), K))
    for y in range(K):
        mean, logvar = (each.numpy() for each in model.encode(STATES, np.full(len(STATES), y)))  # (8, 1)
        z = mean + np.exp(logvar / 2) * NODES  # (8, nodes)
        inputs = np.concatenate([np.tile(np.eye(K)[y], (z.size, 1)), z.reshape(-1, 1)], axis=1)
        logits = model.decoder(tg.tensor(inputs)).numpy().reshape(len(STATES), -1, D)
        log_joint = (STATES[:, None] * logits - np.logaddexp(0, logits)).sum(axis=-1) - z**2 / 2 - math.log(K)
        log_q = -(NODES**2) / 2 - logvar / 2
        found[:, y] = (log_q - log_joint) @ np.exp(LOG_PRIOR)
    return found + exact(model)


def averaged(function, count=DRAWS):
    """Mean and standard error of ``function`` of all images over draws of z: (8, ...)."""
    with tg.no_grad():
        drawn = function(np.repeat(STATES, count, axis=0)).numpy()
    drawn = drawn.reshape(len(STATES), count, *drawn.shape[1:])
    return drawn.mean(axis=1), drawn.std(axis=1) / math.sqrt(count)


def test_the_probabilities_of_all_images_and_labels_sum_to_one(model):
    assert np.exp(exact(model)).sum() == pytest.approx(1)


def test_the_bound_of_a_labelled_image_is_its_log_likelihood_less_the_divergence_of_z(model):
    gap = kl_of_z(model)
    assert (gap > 0).all()
    assert gap.max() > 0.05
    bound, error = averaged(model.elbos)
    assert (abs(bound - (exact(model) - gap)) < 4.5 * error + 1e-9).all()
    for y in range(K):
        one, error = averaged(lambda x, y=y: model.elbo(x, np.full(len(x), y)))
        assert (abs(one - (exact(model) - gap)[:, y]) < 4.5 * error + 1e-9).all()


def test_the_bound_of_an_unlabelled_image_is_its_log_likelihood_less_both_divergences(model):
    log_p_xy = exact(model)
    log_p_x = special.logsumexp(log_p_xy, axis=1)
    log_q = model.log_posterior(STATES).numpy()
    divergence_of_y = (np.exp(log_q) * (log_q - (log_p_xy - log_p_x[:, None]))).sum(axis=1)
    divergence_of_z = (np.exp(log_q) * kl_of_z(model)).sum(axis=1)
    assert (divergence_of_y > 0).all()
    bound, error = averaged(model.marginal_elbo)
    assert (abs(bound - (log_p_x - divergence_of_y - divergence_of_z)) < 4.5 * error).all()


def test_probabilities_of_the_classes_sum_to_one(model):
    log_q = model.log_posterior(STATES)
    assert log_q.shape == (8, K)
    np.testing.assert_allclose(np.exp(log_q.numpy()).sum(axis=1), 1)


def test_all_classes_at_once_are_the_classes_one_by_one(model):
    """Where q(z|x, y) is so narrow that z does not depend on the noise."""
    last = model.encoder[-1]
    last.bias.data = np.array([0.0, -60.0])
    last.weight.data = last.weight.data * np.array([[1.0], [0.0]])
    one_by_one = [model.elbo(STATES, np.full(len(STATES), y)).numpy() for y in range(K)]
    np.testing.assert_allclose(model.elbos(STATES).numpy(), np.stack(one_by_one, axis=1), rtol=1e-10)


def test_the_best_classifier_follows_from_the_bounds(model):
    """sum q (bound - log q) is largest, log sum e^bound, for q proportional to e^bound (z as before)."""
    tg.manual_seed(3)
    bounds = model.elbos(STATES).numpy()
    largest = special.logsumexp(bounds, axis=1)
    for log_q, is_best in ((bounds - largest[:, None], True), (model.log_posterior(STATES).numpy(), False)):
        model.log_posterior = lambda x, log_q=log_q: tg.tensor(log_q)
        tg.manual_seed(3)
        gap = largest - model.marginal_elbo(STATES).numpy()
        assert (abs(gap) < 1e-9).all() if is_best else (gap > 1e-4).all()


def test_the_loss_is_the_weighted_mean_of_both_bounds_and_the_cross_entropy(model):
    x, labels = STATES[:5], np.array([0, 3, 1, 1, 2])
    tg.manual_seed(4)
    found = model.loss(x, labels, STATES, 0.3, 2.0).item()
    tg.manual_seed(4)
    labelled, unlabelled = model.elbo(x, labels).numpy().mean(), model.marginal_elbo(STATES).numpy().mean()
    cross_entropy = -model.log_posterior(x).numpy()[np.arange(5), labels].mean()
    assert found == pytest.approx(-0.3 * labelled - 0.7 * unlabelled + 2 * cross_entropy)


@pytest.mark.parametrize("pixels", [None, GaussianPixels(0.5, learned=True)], ids=["bits", "normal"])
def test_gradients_to_second_order(pixels):
    tg.manual_seed(1)
    model = M2(2, 2, latent_size=1, hidden=(2,), activation=nn.Softplus, pixels=pixels).astype("float64")
    x = STATES[:4, 1:]

    def loss(*values):
        tg.manual_seed(5)
        return model.loss(x[:2], [1, 0], x, 0.5, 1.0)

    assert tg.gradcheck(loss, model.parameters())
    assert tg.gradgradcheck(loss, model.parameters())
    assert all((gradient.numpy() != 0).any() for gradient in tg.grad(loss(), model.parameters()))


def test_shapes_and_layers():
    model = M2(5, 3, latent_size=2, hidden=(7, 4))
    mean, logvar = model.encode(np.zeros((6, 5)), [0, 1, 2, 0, 1, 2])
    assert mean.shape == logvar.shape == (6, 2)
    assert model.decode(np.zeros((2, 2)), [0, 1]).shape == (2, 5)
    shapes = {name: array.shape for name, array in model.state_dict().items() if name.endswith("weight")}
    assert (shapes["encoder_x.weight"], shapes["encoder_y.weight"]) == ((7, 5), (7, 3))
    assert [shapes[f"classifier.layers.{i}.weight"] for i in (0, 2, 4)] == [(7, 5), (4, 7), (3, 4)]
    assert [shapes[f"encoder.{i}.weight"] for i in (1, 3)] == [(4, 7), (4, 4)]
    assert [shapes[f"decoder.layers.{i}.weight"] for i in (0, 2, 4)] == [(4, 5), (7, 4), (5, 7)]


def test_the_label_selects_what_is_decoded(model):
    z = np.zeros((K, 1))
    decoded = model.decode(z, np.arange(K)).numpy()
    logits = model.decoder(tg.tensor(np.concatenate([np.eye(K), z], axis=1))).numpy()
    np.testing.assert_allclose(decoded, logits)
    assert (np.ptp(decoded, axis=0) > 0.01).all()


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda m: m.elbo(np.zeros((2, 5)), [0, 1]), r"elbo: expected an array \(N, 3\) with N > 0, got \(2, 5\)"),
        (lambda m: m.elbos(np.zeros((0, 3))), r"elbos: expected an array \(N, 3\) with N > 0, got \(0, 3\)"),
        (lambda m: m.marginal_elbo(np.zeros(3)), r"log_posterior: expected an array \(N, 3\) with N > 0, got \(3,\)"),
        (lambda m: m.elbo(STATES[:2], [0, 4]), "elbo: expected 2 labels from 0 to 3, got 2 from 0 to 4"),
        (lambda m: m.encode(STATES[:2], [-1, 1]), "encode: expected 2 labels from 0 to 3, got 2 from -1 to 1"),
        (lambda m: m.elbo(STATES[:2], [0.5, 1.0]), "elbo: labels must be whole numbers"),
        (lambda m: m.elbo(STATES[:2], [0, 1, 2]), "elbo: expected 2 labels from 0 to 3, got 3 from 0 to 2"),
        (lambda m: m.decode(np.zeros((3, 1)), [0, 1]), "decode: expected 3 labels from 0 to 3, got 2 from 0 to 1"),
        (lambda m: M2(3, 2, hidden=()), "M2: hidden must have one layer or more, got none"),
    ],
)
def test_wrong_arguments_are_refused_by_name(model, call, sentence):
    with pytest.raises((TypeError, ValueError), match=sentence):
        call(model)


def test_it_learns_where_nothing_leaves_the_gpu(gpu, seeded):
    rng = np.random.default_rng(0)
    classes = rng.integers(0, 2, 60)
    x = (rng.random((60, 6)) < np.where(classes[:, None] == np.arange(6) // 3, 0.9, 0.1)).astype("float32")
    losses = {}
    for device in (gpu, "cpu"):
        tg.manual_seed(0)
        model = M2(6, 2, latent_size=1, hidden=(8,)).to(device)
        optimizer, losses[device] = Adam(model.parameters(), 1e-2), []
        for _ in range(60):
            batch = tg.tensor(x, device=device)
            loss = model.loss(batch[:4], classes[:4], batch, 4 / 60, 1.0)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses[device].append(loss.item())
        predicted = model.log_posterior(x).numpy().argmax(axis=1)
        assert (predicted == classes).mean() > 0.85  # with four labels
    np.testing.assert_allclose(losses[gpu], losses["cpu"], rtol=1e-3)
    assert losses["cpu"][-1] < losses["cpu"][0] - 0.3
