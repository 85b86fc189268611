"""The examples of VAEs and of MADE, on a few synthetic digits: their files and results, and exact resume."""

import csv
import json
import math

import numpy as np
import pytest
from scipy import special

import tinygen as tg
from tinygen import nn
from tinygen.likelihoods import log_likelihood_bernoulli_logits
from tinygen.models import M2

KINDS = ("elbo", "log_likelihood", "log_likelihood_standard_error")


@pytest.fixture
def example(monkeypatch, tmp_path, load_example):
    """Run an example on a few synthetic digits with some of its constants changed; returns its output folder."""

    def run(name, out, *options, epochs=2, limit=40, **constants):
        module = load_example(name)
        for constant, value in constants.items():
            monkeypatch.setattr(module, constant, value)
        common = ["--data", "strokes", "--limit", limit, "--epochs", epochs, "--batch-size", 16]
        monkeypatch.setattr("sys.argv", [name, *map(str, ["--out", tmp_path / out, *common, *options])])
        module.main()
        return tmp_path / out

    return run


def results_of(out):
    return json.loads((out / "results.json").read_text())


def names_of(out):
    return {path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file() and path.name != ".lock"}


def test_the_mlp_vae_measures_both_splits_and_resumes_exactly(example):
    whole = example("vae_mlp_mnist", "whole", "--importance-samples", 3, "--likelihood-images", 10)
    results = results_of(whole)
    for split in ("valid", "test"):
        assert -600 < results[f"{split}_elbo"] < -50
        assert results[f"{split}_log_likelihood_standard_error"] > 0
    figures = {"samples.png", "reconstructions.png", "curves.png"}
    assert names_of(whole) == figures | {"checkpoint.h5", "metrics.csv", "report.html", "results.json", "run.json"}
    example("vae_mlp_mnist", "parts", "--importance-samples", 1, "--likelihood-images", 2, epochs=1)
    parts = example("vae_mlp_mnist", "parts", "--importance-samples", 3, "--likelihood-images", 10, "--resume")
    for name in ("metrics.csv", "checkpoint.h5", *figures):
        assert (parts / name).read_bytes() == (whole / name).read_bytes(), name


def test_the_manifold_writes_curves_and_samples_of_both_models(example):
    whole = example("vae_manifold", "whole", epochs=3, SAMPLES=15)
    results = results_of(whole)
    assert {f"{split}_elbo_{size}" for split in ("valid", "test") for size in (2, 20)} <= results.keys()
    samples = {f"samples-latent-{size}-epoch-0{epoch}.png" for size in (2, 20) for epoch in (1, 2, 3)}
    own = {
        f"latent-{size}/{name}"
        for size in (2, 20)
        for name in ("checkpoint.h5", "metrics.csv", "results.json", "run.json")
    }
    top = {"curves.png", "manifold.png", "plane.png", "metrics.csv", "results.json", "report.html", "run.json"}
    assert names_of(whole) == samples | own | top
    columns = (whole / "metrics.csv").read_text().splitlines()[0].split(",")
    assert columns == [
        "epoch",
        *(f"{name}_{size}" for size in (2, 20) for name in ("train_elbo", "train_kl", "valid_elbo")),
    ]
    again = example("vae_manifold", "whole", "--resume", epochs=3, SAMPLES=15)
    assert names_of(again) == names_of(whole)
    assert results_of(again)["valid_elbo_2"] == results["valid_elbo_2"]


def test_why_importance_sampling_compares_the_proposals_with_the_exact_value(example):
    out = example(
        "why_importance_sampling", "why", "--images", 4, epochs=1, DRAWS=200, COUNTS=(1, 10, 200), SPACING=0.25
    )
    results = results_of(out)
    for size in (2, 20):
        assert results[f"elbo_{size}"] < results[f"encoder_{size}"] + 1e-6
        for name in ("prior", "encoder", "both"):
            assert 1 <= results[f"{name}_{size}_effective_sample_size"] <= 200
    for name in ("elbo_2", "prior_2", "encoder_2", "both_2"):
        assert results[name] < results["quadrature_2"] + 1  # bounds and logarithms of means lie below, on average
    assert 0 <= results["encoder_2_within_two_standard_errors"] <= 1
    assert (out / "why_importance_sampling.png").exists()
    curves = json.loads((out / "estimates.json").read_text())["estimate"]
    assert curves["20"]["prior"][-1] == pytest.approx(results["prior_20"])


@pytest.mark.parametrize("pixels", ["binary", "mean"])
def test_m1_writes_every_fit_and_the_mean_accuracies(example, pixels):
    out = example(
        "semi_supervised_m1", "m1", "--draws", 2, "--pixels", pixels, epochs=1, limit=80, LABELS=(50, 60, 3000)
    )
    with open(out / "svm.csv", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    views = {"latents", "latents_drawn", "latents_standardised", "latents_cross_validated"}
    views |= {"principal_components", "pixels"}
    assert {row["view"] for row in rows} == views
    assert {(row["labels"], row["draw"]) for row in rows} == {(n, d) for n in ("50", "60") for d in ("0", "1")}
    results = results_of(out)
    for view in views:
        found = [float(row["accuracy"]) for row in rows if (row["view"], row["labels"]) == (view, "50")]
        assert results[f"{view}_50_labels"] == pytest.approx(sum(found) / 2)
        assert results[f"{view}_50_labels_standard_error"] == pytest.approx(abs(found[0] - found[1]) / 2)
    assert results["pixels_50_labels"] > 25  # ten classes
    assert {"accuracy.png", "samples.png", "curves.png"} <= names_of(out)


def test_the_importance_weighted_vae_is_evaluated_with_averaged_and_with_the_last_weights(example):
    own = ["--objective", "iwae", "--num-samples", 3, "--average", 0.9, "--importance-samples", 2]
    own += ["--schedule", "constant"]  # a cosine depends on the number of epochs
    whole = example("vae_mnist", "whole", *own)
    results = results_of(whole)
    names = {f"{split}{last}_{what}" for split in ("valid", "test") for last in ("", "_last") for what in KINDS}
    assert names <= results.keys()
    with open(whole / "metrics.csv", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert rows[0].keys() == {"epoch", "train_iwae", "valid_elbo", "valid_elbo_averaged"}
    assert all(row["valid_elbo"] != row["valid_elbo_averaged"] for row in rows)
    example("vae_mnist", "parts", *own, epochs=1)
    parts = example("vae_mnist", "parts", *own, "--resume")
    for name in ("metrics.csv", "checkpoint.h5"):
        assert (parts / name).read_bytes() == (whole / name).read_bytes(), name


def test_made_measures_both_splits_and_samples_the_same_images_when_it_is_resumed(example):
    own = ["--hidden", 12, 9]
    whole = example("made_mnist", "whole", *own, SAMPLES=3, WARMUP=2)
    results, samples = results_of(whole), (whole / "samples.png").read_bytes()
    for split in ("valid", "test"):
        assert -600 < results[f"{split}_log_likelihood"] < -100
        assert results[f"{split}_log_likelihood_standard_error"] > 0
    again = example("made_mnist", "whole", *own, "--resume", SAMPLES=3, WARMUP=2)
    assert results_of(again) | {"seconds": 0} == results | {"seconds": 0}
    assert (again / "samples.png").read_bytes() == samples


def test_the_ladder_vae_uses_each_of_its_layers_and_resumes_exactly(example):
    own = ["--layers", 1, 7, "--importance-samples", 3, "--likelihood-images", 4, "--seed", 1]
    small = {"WIDTHS": {1: 8, 7: 4, 14: 4, 28: 4}, "LATENTS": {1: 2, 7: 1, 14: 1}, "SAMPLES_PER_BATCH": 2}
    whole = example("vae_ladder", "whole", *own, **small)
    results = results_of(whole)
    assert {f"{split}_{what}" for split in ("valid", "test") for what in KINDS} <= results.keys()
    assert -600 < results["test_elbo"] < -100
    with open(whole / "metrics.csv", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert rows[0].keys() == {"epoch", "train_elbo", "train_kl_1", "train_kl_2", "valid_elbo"}
    assert all(float(row["train_kl_2"]) > 0 for row in rows)
    (whole / "results.json").unlink()
    again = example("vae_ladder", "whole", *own, "--resume", **small)
    assert results_of(again) | {"seconds": 0} == results | {"seconds": 0}


@pytest.mark.parametrize("sides", [(1,), (1, 7, 14), (7, 7), (14,)])
def test_a_ladders_weights_average_to_the_likelihood_and_their_logarithms_to_the_elbo(load_example, monkeypatch, sides):
    ladder = load_example("vae_ladder")
    monkeypatch.setattr(ladder, "WIDTHS", {1: 6, 7: 4, 14: 4, 28: 2})
    monkeypatch.setattr(ladder, "LATENTS", {1: 2, 7: 1, 14: 1})
    tg.manual_seed(0)
    model = ladder.LadderVAE(sides)
    x = tg.tensor(np.random.default_rng(0).random((1, 1, 28, 28)) < 0.5, dtype="float32")
    with tg.no_grad():
        log_weights = model.log_weights(x, 4000).numpy().astype("float64")
        log_likelihood, kl = model.elbo_terms(tg.broadcast_to(x, (4000, *x.shape[1:])))
    elbos = sum((-each for each in kl), log_likelihood).numpy().astype("float64")
    assert log_weights.shape == (1, 4000)
    error = math.hypot(log_weights.std(), elbos.std()) / math.sqrt(4000)
    assert abs(log_weights.mean() - elbos.mean()) < 4 * error
    with tg.no_grad():
        from_prior = log_likelihood_bernoulli_logits(model.decode(4000)[0], tg.broadcast_to(x, (4000, *x.shape[1:])))
    estimates = []
    for logs in (log_weights, from_prior.numpy().astype("float64")):
        weights = np.exp(logs - logs.max())
        relative_error = weights.std() / weights.mean() / math.sqrt(4000)
        estimates.append((math.log(weights.mean()) + logs.max(), relative_error))
    (by_q, error_of_q), (by_p, error_of_p) = estimates
    assert abs(by_q - by_p) < 4 * math.hypot(error_of_q, error_of_p)


def test_a_balanced_choice_has_equally_many_images_of_each_class(load_example):
    tg.manual_seed(0)
    balanced = load_example("semi_supervised_m1").balanced
    labels = np.repeat([4, 7, 9], [5, 50, 500])
    chosen = balanced(labels, 17)
    assert len(set(chosen.tolist())) == 15
    assert np.bincount(labels[chosen]).tolist() == [0, 0, 0, 0, 5, 0, 0, 5, 0, 5]
    means = [chosen[labels[chosen] == 9].mean() for chosen in (balanced(labels, 15) for _ in range(400))]
    error = np.sqrt((500**2 - 1) / 12 * (495 / 499) / 5 / 400)  # of the mean of 400 means of 5 of 500
    assert abs(np.mean(means) - (55 + 249.5)) < 4.5 * error


def test_a_class_with_too_few_images_is_refused(load_example):
    with pytest.raises(ValueError, match="the rarest class has 2 images, expected 3 or more"):
        load_example("semi_supervised_m1").balanced(np.array([0, 0, 0, 1, 1]), 6)


@pytest.mark.parametrize("features", ["pixels", "latents"])
def test_m2_trains_a_model_for_each_choice_of_labels_and_resumes_exactly(example, features):
    options = ["--labels", 20, 40, "--draws", 2, "--features", features, "--side", 7]
    small = {"limit": 80, "epochs": 1, "M1_EPOCHS": 1, "WIDTH": 8, "LABELLED": 30}
    out = example("semi_supervised_m2", "m2", *options, **small)
    results = results_of(out)
    for method in ("m2", "svm"):
        for count in (20, 40):
            assert 0 <= results[f"{method}_{count}_labels"] <= 100
            assert results[f"{method}_{count}_labels_standard_error"] >= 0
    assert results["svm_40_labels"] > 25  # ten classes
    names = names_of(out)
    assert {"accuracy.png", "analogies.png"} <= names
    assert {f"labels-{count}-draw-{draw}/checkpoint.h5" for count in (20, 40) for draw in (0, 1)} <= names
    for name in ("labels-40-draw-1/checkpoint.h5", "results.json"):
        (out / name).unlink()
    again = example("semi_supervised_m2", "m2", *options, "--resume", **small)
    assert {**results_of(again), "seconds": 0} == {**results, "seconds": 0}


def test_m2_without_the_regularisers_is_the_published_objective(example):
    options = ["--labels", 20, "--draws", 1, "--side", 7, "--smoothing", 0, "--alpha", 0.1]
    out = example("semi_supervised_m2", "m2", *options, epochs=2, limit=80)
    rows = (out / "labels-20-draw-0" / "metrics.csv").read_text().splitlines()
    assert rows[0] == "epoch,train_loss"
    assert float(rows[2].split(",")[1]) < float(rows[1].split(",")[1])


def test_the_adversarial_direction_is_the_most_sensitive_one(load_example, seeded):
    """Of a linear classifier of two classes, whose divergence has one sensitive direction."""
    module = load_example("semi_supervised_m2")
    model = M2(3, 2, latent_size=1, hidden=(2,), classifier=nn.Linear(3, 2)).astype("float64")
    slope = np.array([1.0, -2.0, 0.5])
    model.classifier.weight.data, model.classifier.bias.data = np.stack([slope, 0 * slope]), np.zeros(2)
    x = tg.randn(5, 3, dtype="float64")
    log_q = model.log_posterior(x)
    found = module.virtual_adversarial_loss(model, x, log_q, 0.3).item()

    def divergence(r):
        p, q = special.expit(x.numpy() @ slope), special.expit((x.numpy() + r) @ slope)
        return (p * np.log(p / q) + (1 - p) * np.log((1 - p) / (1 - q))).mean()

    worst = 0.3 * slope / np.linalg.norm(slope)
    ends = sorted([divergence(worst), divergence(-worst)])
    assert ends[0] * 0.999 <= found <= ends[1] * 1.2  # each row has the sign of its own random direction
    assert all(divergence(0.3 * r) < found for r in np.eye(3))
    p = special.expit(np.outer(x.numpy() @ slope, [1, -1]))
    assert module.entropy(log_q).item() == pytest.approx(special.entr(p).sum(axis=1).mean())
    mean = p.mean(axis=0)
    assert module.mismatch(log_q).item() == pytest.approx(math.log(2) - special.entr(mean).sum())
