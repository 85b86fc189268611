"""explore_latent.py: models of the checkpoints that the examples write, directions, drawings, and the page in Chromium.

The tests in the browser are skipped where Debian's packages chromium and chromium-driver are not installed.
"""

import http.client
import os
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import urlparse

import numpy as np
import pytest
from chromium import drag, frame, in_browser, open_page, pointer, serving, wait

import tinygen as tg
from tinygen import evaluation
from tinygen.models import MLPVAE, ConvVAE, DigitClassifier, GreyGenerator
from tinygen.nn import ReLU
from tinygen.optim import ExponentialMovingAverage

pytest.importorskip("bokeh", reason="the page needs Bokeh, of the extra live")
import canvas
from latent_models import LatentSpace, load_model, principal_directions, weight_directions

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "examples" / "explore_latent.py"
LIKELIHOOD = ["--importance-samples", "1", "--likelihood-images", "2"]
RUNS = {  # example -> its options, and the number of latents
    "vae_mnist": (["--data", "strokes", "--average", "0.5", *LIKELIHOOD], 100),
    "vae_mlp_mnist": (["--data", "strokes", *LIKELIHOOD], 100),
    "vae_svhn": (["--data", "street", "--variance", "learned"], 100),
    "semi_supervised_m1": (["--data", "strokes", "--draws", "1"], 50),
    "gan_fashion_mnist": (["--data", "strokes", "--width", "1", "--game", "non-saturating"], 128),
    "dcgan_mnist": (["--data", "strokes", "--width", "1"], 100),
    "wgan_gp_svhn": (["--data", "street"], 100),
}


class Trained(Exception):
    """Stops an example after its training."""


@pytest.fixture
def trained(monkeypatch, tmp_path, load_example):
    """Train an example for an epoch on a few images; returns its folder."""

    def train(name, *options):
        module = load_example(name)
        out = tmp_path / name

        def stop(*args, **kwargs):
            raise Trained

        for evaluated in ("tinygen.evaluation.load_or_train_classifier", "tinygen.evaluation.measure_likelihoods"):
            monkeypatch.setattr(evaluated, stop)
        monkeypatch.setattr("tinygen.evaluation.encode", stop)
        monkeypatch.setattr("tinygen.training.command.trial_run", lambda *args: None)
        words = [f"{name}.py", *options, "--limit", "8", "--batch-size", "4", "--epochs", "1", "--out", out]
        monkeypatch.setattr("sys.argv", list(map(str, words)))
        with pytest.raises(Trained):
            module.main()
        monkeypatch.undo()
        return out

    return train


@pytest.mark.parametrize("name", RUNS)
def test_the_checkpoints_of_an_example_are_models_of_its_images(trained, name):
    options, latents = RUNS[name]
    folder = trained(name, *options)
    folder = folder / "non-saturating" if name == "gan_fashion_mnist" else folder
    model = load_model(folder)
    space = LatentSpace(model, model.settings["data"], None, limit=6, count=3)
    images = space.decode(np.ones((2, latents)))
    assert model.latent_size == latents
    assert images.shape[1:] == space.train.shape[1:]
    assert model.pixel_range[0] <= min(images.min(), space.train.min())
    assert max(images.max(), space.train.max()) <= model.pixel_range[1]
    assert space.directions.vectors.shape == (3, latents)
    if (folder / "model.h5").exists():  # the averaged weights, without settings
        same = evaluation.generate(load_model(folder / "model.h5").generator, np.ones((2, latents)))
        assert np.allclose(same, images, atol=1e-6)


def saved(path, example, *, options=(), **parts):
    """A checkpoint of a run of ``example``."""
    path.parent.mkdir(parents=True, exist_ok=True)
    tg.save(path, settings={"example": f"{example}.py", "data": "strokes", **dict(options)}, parts=parts)
    return path


@pytest.fixture(scope="module")
def plane(tmp_path_factory):
    """A checkpoint of vae_manifold.py with two latents."""
    tg.manual_seed(0)
    model = MLPVAE(2, (500,), ReLU)
    path = tmp_path_factory.mktemp("plane") / "latent-2" / "checkpoint.h5"
    return saved(path, "vae_manifold", model=model.state_dict())


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
    """A checkpoint of vae_mlp_mnist.py."""
    tg.manual_seed(0)
    path = tmp_path_factory.mktemp("digits") / "checkpoint.h5"
    return saved(path, "vae_mlp_mnist", model=MLPVAE(100, (300, 300)).state_dict())


def test_the_number_of_latents_of_vae_manifold_is_that_of_its_weights(plane, tmp_path):
    path = saved(tmp_path / "checkpoint.h5", "vae_manifold", model=MLPVAE(20, (500,), ReLU).state_dict())
    assert load_model(plane).latent_size == 2
    assert load_model(path).latent_size == 20


def test_averaged_weights_are_used_where_a_run_has_them(tmp_path):
    network = GreyGenerator(128, 1)
    average = ExponentialMovingAverage(network)
    average.average = [array + 1 for array in average.average]
    parts = {"generator": network.state_dict(), "average": average.state_dict()}
    model = load_model(saved(tmp_path / "checkpoint.h5", "gan_fashion_mnist", options={"width": 1}, **parts))
    for averaged, parameter in zip(model.generator.parameters(), network.parameters(), strict=True):
        assert np.array_equal(averaged.numpy(), parameter.numpy() + 1)


@pytest.mark.parametrize("name", ["vae_ladder", "made_mnist", "flow_images", "classify_svhn", "toy_gan", "density"])
def test_models_that_do_not_fit_are_refused(tmp_path, name):
    path = saved(tmp_path / "checkpoint.h5", name, model={})
    with pytest.raises(ValueError, match=rf"checkpoint.h5 was written by {name}.py.*; expected a model of vae_mnist"):
        load_model(path)


def test_other_files_and_folders_are_refused_by_name(tmp_path, plane):
    with pytest.raises(ValueError, match=r"holds no checkpoint.h5 and no model.h5, but its folders latent-2 do"):
        load_model(plane.parents[1])
    with pytest.raises(ValueError, match=r"holds no checkpoint.h5 and no model.h5$"):
        load_model(tmp_path)
    with pytest.raises(FileNotFoundError, match="none"):
        load_model(tmp_path / "none.h5")
    (tmp_path / "text.h5").write_text("tinygen checkpoint, format 9\n")
    with pytest.raises(ValueError, match=r"text.h5 is no checkpoint"):
        load_model(tmp_path / "text.h5")
    tg.save(tmp_path / "model.h5", generator={})
    with pytest.raises(ValueError, match=r"model.h5 does not name the example"):
        load_model(tmp_path / "model.h5")
    for example, part in (("vae_mnist", DigitClassifier()), ("semi_supervised_m2", ConvVAE())):
        path = saved(tmp_path / "checkpoint.h5", example, options={"side": 14}, model=part.state_dict())
        with pytest.raises(ValueError, match=rf"does not hold a decoder of {example}.py, but other weights"):
            load_model(path)


def test_data_of_another_shape_are_refused(digits):
    with pytest.raises(ValueError, match=r"street does not fit .* images are \(3, 32, 32\), expected \(1, 28, 28\)"):
        LatentSpace(load_model(digits), "street", None, limit=4, count=2)


def test_principal_directions_are_those_of_the_distribution_of_the_means():
    angle = 0.4
    axes = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    scores = np.array([[3.0, 0.0], [-3.0, 0.0], [0.0, 1.0], [0.0, -1.0]])  # variances 6 and 2/3
    directions = principal_directions(scores @ axes + [5.0, -2.0], count=2)
    assert np.allclose(directions.origin, [5, -2])
    assert np.allclose(directions.vectors, axes)
    assert np.allclose(directions.scales, np.sqrt([6, 2 / 3]))
    assert np.allclose(directions.shares, [0.9, 0.1])
    with pytest.raises(ValueError, match="2 or more images, got 1"):
        principal_directions(scores[:1], count=2)


def test_the_directions_of_a_weight_change_its_output_most():
    weight = np.array([[0.0, 2.0], [-1.0, 0.0], [0.0, 0.0]])
    directions = weight_directions(weight, count=2)
    assert np.allclose(directions.vectors, [[0, 1], [1, 0]])
    assert np.allclose(directions.shares, [0.8, 0.2])
    assert np.allclose(directions.scales, 1)


def test_the_nearest_images_come_first_and_have_their_distances(digits):
    space = LatentSpace(load_model(digits), "strokes", None, limit=20, count=2)
    indices, distances = space.nearest(space.train[7], 3)
    assert indices[0] == 7
    assert distances[0] == 0
    assert distances[1] == pytest.approx(np.sqrt(np.mean((space.train[indices[1]] - space.train[7]) ** 2)))
    assert (np.diff(distances) >= 0).all()


def test_a_line_has_its_thickness_and_is_where_it_was_drawn():
    strokes = [np.array([[14.0, 4.0], [14.0, 24.0]])]
    image = canvas.drawn(strokes, "fashion-mnist")
    assert image[14].sum() == pytest.approx(canvas.THICKNESS, abs=0.3)
    assert image[:2].sum() == image[26:].sum() == 0
    assert (image[6:22, 13:15] > 0.9).all()


def test_a_drawn_digit_is_scaled_and_centred():
    image = canvas.drawn([np.array([[1.0, 1.0], [1.0, 6.0], [3.0, 6.0]])], "mnist")
    rows = np.flatnonzero(image.max(axis=1) > 0.5)
    assert abs(np.ptp(rows) + 1 - canvas.BOX) <= 1
    for axis in (0, 1):
        assert image.sum(axis=1 - axis) @ (np.arange(28) + 0.5) / image.sum() == pytest.approx(14, abs=0.5)


def test_strokes_are_equal_after_a_text_and_other_texts_are_refused():
    text = canvas.text_of([[1, 1.2, 5, 20], [3], [7, 28.6]], [[2, 2.2, 9, 20.04], [3], [8, -1]])
    assert text == "010020050090200200-070080280000"
    strokes = canvas.strokes_of(text)
    assert [stroke.tolist() for stroke in strokes] == [[[1, 2], [5, 9], [20, 20]], [[7, 8], [28, 0]]]
    assert canvas.text_of([s[:, 0] for s in strokes], [s[:, 1] for s in strokes]) == text
    assert canvas.strokes_of("") == []
    for wrong in ("1", "010010", "010020999999", "010010010010", "../../etc/passwd", "010020" * 2000):
        with pytest.raises(ValueError, match="drawing must be strokes"):
            canvas.strokes_of(wrong)


# The page ------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def plane_port(plane):
    with serving(SCRIPT, plane, "--data", "strokes", "--limit", "200") as (address, _):
        yield urlparse(address).port


@pytest.fixture(scope="module")
def digits_port(digits):
    with serving(SCRIPT, digits, "--limit", "200") as (address, _):
        yield urlparse(address).port


FIND = """
    const models = [...Bokeh.documents[0]._all_models.values()]
    const named = name => models.find(m => m.name === name || (m.title?.startsWith ?? m.label?.startsWith) !== undefined
        && (m.title ?? m.label).startsWith(name))
    const view = name => Bokeh.index.find_one_by_id(named(name).id)
    """


def opened(browser, port, query=""):
    browser.get("about:blank")
    browser.set_window_size(1400, 1200)
    open_page(browser, f"http://127.0.0.1:{port}/{query}")


def ask(browser, script, *arguments):
    """What JavaScript with ``named`` (the model of a name, title or label) and ``view`` returns."""
    return browser.execute_script(FIND + script, *arguments)


def column(browser, name, column):
    """A column of a source."""
    return ask(browser, f"return Array.from(named('{name}').data.{column})")


def image(browser, name="image", index=0):
    """The red values of one of the images of a source, 0 to 255, the highest row first."""
    pixels = ask(browser, f"return Array.from(named('{name}').data.image[{index}])")
    return np.array(pixels).reshape(28, 28)[::-1] % 256


def shown(space, z):
    """The image of a latent as ``image`` gives it."""
    return np.rint(space.decode(np.array([z]))[0, 0] * 255).astype(int)


def press(browser, label):
    """Press the button with a label."""
    pointer_at = ask(
        browser,
        """const {left, top, width, height} = view(arguments[0]).button_el.getBoundingClientRect()
        return [left + width / 2, top + height / 2]""",
        label,
    )
    drag(browser, [pointer_at])


def drag_slider(browser, title, fraction):
    """Drag the handle of a slider by a fraction of its length."""
    script = """const root = view(arguments[0]).shadow_el
        const handle = root.querySelector('.noUi-handle').getBoundingClientRect()
        return [handle.left + handle.width / 2, handle.top + handle.height / 2,
            root.querySelector('.noUi-base').getBoundingClientRect().width]"""
    x, y, width = ask(browser, script, title)
    drag(browser, [(x + part * fraction * width, y) for part in np.linspace(0, 1, 6)])


def choose(browser, title, value):
    """The value of a select or of a spinner, by its title."""
    script = """const input = view(arguments[0]).input_el
        input.value = arguments[1]; input.dispatchEvent(new Event('change'))"""
    ask(browser, script, title, value)


def link(browser, part):
    """The address, once it has ``part``."""
    return wait(browser, lambda browser: part in browser.current_url and browser.current_url)


@in_browser
def test_the_point_of_the_plane_under_the_pointer_is_decoded_and_a_click_holds_it(chromium, plane_port, plane):
    space = LatentSpace(load_model(plane), "strokes", None, limit=200, count=2)
    opened(chromium, plane_port)
    before = image(chromium)
    left, top, width, height = frame(chromium, "plane")
    extent = ask(chromium, "return named('plane').x_range.end")
    for step in range(5):
        pointer(chromium, "Moved", left + (0.5 + 0.05 * step) * width, top + 0.25 * height)
    wait(chromium, lambda browser: abs(column(browser, "point", "x")[0] - 0.4 * extent) < 0.05)
    z = [column(chromium, "point", axis)[0] for axis in "xy"]
    assert z[1] == pytest.approx(0.5 * extent, abs=0.05)
    wait(chromium, lambda browser: np.abs(image(browser) - shown(space, z)).max() <= 1)  # upright, too
    indices, distances = space.nearest(space.decode(np.array([z]))[0], 8)
    assert column(chromium, "nearest", "text") == [f"{distance:.3f}" for distance in distances]
    assert np.array_equal(image(chromium, "nearest", 7), 255 * space.train[indices[7], 0])

    drag(chromium, [(left + 0.7 * width, top + 0.25 * height)])
    link(chromium, "pointer=not+followed")
    pointer(chromium, "Moved", left + 0.2 * width, top + 0.8 * height)
    address = link(chromium, f"z1={z[0]}&z2={z[1]}")
    opened(chromium, plane_port, address.rpartition("/")[2])
    pointer(chromium, "Moved", left + 0.3 * width, top + 0.7 * height)
    assert np.abs(image(chromium) - shown(space, z)).max() <= 1
    press(chromium, "reset")
    link(chromium, "pointer=followed")
    wait(chromium, lambda browser: np.array_equal(image(browser), before))
    opened(chromium, plane_port)
    assert np.array_equal(image(chromium), before)  # each page has its own state


@in_browser
def test_sliders_move_the_latent_along_the_directions_and_reset_sets_them_back(chromium, digits_port, digits):
    space = LatentSpace(load_model(digits), "strokes", None, limit=200, count=10)
    opened(chromium, digits_port)
    before = image(chromium)
    assert np.abs(before - shown(space, space.directions.origin)).max() <= 1
    drag_slider(chromium, "direction 1,", 0.25)
    link(chromium, "s1=1.5")
    z = space.directions.origin + 1.5 * space.directions.scales[0] * space.directions.vectors[0]
    wait(chromium, lambda browser: np.abs(image(browser) - shown(space, z)).max() <= 1)
    drag_slider(chromium, "alpha", 1)
    wait(chromium, lambda browser: "alpha=1&" in browser.current_url)
    z += space.encode(space.test[1]) - space.directions.origin
    wait(chromium, lambda browser: np.abs(image(browser) - shown(space, z)).max() <= 1)
    choose(chromium, "B", "mean")
    wait(chromium, lambda browser: np.array_equal(image(browser, "interpolation", 10), before))
    press(chromium, "reset")
    wait(chromium, lambda browser: np.array_equal(image(browser), before))
    link(chromium, "b=test+image&b_image=1&alpha=0&drawing=&s1=0")


@in_browser
def test_a_drawing_is_encoded_and_its_link_shows_it_again(chromium, digits_port, digits):
    space = LatentSpace(load_model(digits), "strokes", None, limit=200, count=10)
    opened(chromium, digits_port)
    left, top, width, height = frame(chromium, "canvas figure")
    drag(chromium, [(left + 0.3 * width, top + y * height) for y in np.linspace(0.2, 0.8, 12)])
    drag(chromium, [(left + x * width, top + 0.8 * height) for x in np.linspace(0.3, 0.7, 12)])
    address = link(chromium, "-")  # between the texts of both strokes
    text = address.partition("&drawing=")[2].partition("&")[0]
    link(chromium, "a=drawing")
    strokes = canvas.strokes_of(text)
    assert len(strokes) == 2
    assert np.allclose(strokes[0][[0, -1]], [[8.4, 5.6], [8.4, 22.4]], atol=1.2)
    drawing = canvas.drawn(strokes, "strokes")
    assert np.abs(image(chromium, "picture A") - 255 * drawing).max() <= 1
    expected = shown(space, space.encode(drawing[None]))
    wait(chromium, lambda browser: np.abs(image(browser) - expected).max() <= 1)
    opened(chromium, digits_port, address.rpartition("/")[2])
    assert np.abs(image(chromium) - expected).max() <= 1
    assert len(column(chromium, "canvas", "xs")) == 2
    press(chromium, "clear")
    link(chromium, "a=mean")
    assert "drawing=&" in chromium.current_url
    wait(chromium, lambda browser: np.abs(image(browser) - shown(space, space.directions.origin)).max() <= 1)


@in_browser
def test_a_drawing_that_is_not_chosen_and_an_empty_number_change_nothing(chromium, plane_port):
    opened(chromium, plane_port, "?z1=1.5&z2=-0.5&drawing=010020050090&pointer=not+followed")
    before = image(chromium)
    press(chromium, "clear")
    link(chromium, "drawing=&")
    assert "z1=1.5&z2=-0.5" in chromium.current_url
    choose(chromium, "number", "")
    time.sleep(1)
    assert np.array_equal(image(chromium), before)
    opened(chromium, plane_port, chromium.current_url.rpartition("/")[2])
    assert np.array_equal(image(chromium), before)


@in_browser
@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ("?s1=4", "s1 must be a number from -3 to 3, got '4'"),
        ("?a_image=1.5", "a_image must be a whole number from 0 to 199, got '1.5'"),
        ("?a=/etc/passwd", "a must be one of mean, test image, drawing, got '/etc/passwd'"),
        ("?drawing=/etc/passwd", "drawing must be strokes"),
        ("?path=/etc/passwd", "path: a page has no such setting"),
    ],
)
def test_an_address_that_is_not_of_a_page_is_answered_by_a_sentence(chromium, digits_port, query, sentence):
    opened(chromium, digits_port, query)
    text = chromium.execute_script("return Bokeh.documents[0].roots()[0].children[0].text")
    assert sentence in text
    assert "root:" not in text


def test_requests_read_no_files_and_other_origins_are_refused(digits_port):
    def status(path, headers):
        connection = http.client.HTTPConnection("127.0.0.1", digits_port)
        connection.request("GET", path, headers=headers)
        return connection.getresponse().status

    upgrade = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13"}
    upgrade["Sec-WebSocket-Key"] = "dGhlIHNhbXBsZSBub25jZQ=="
    assert status("/ws", {**upgrade, "Origin": "http://example.org"}) == 403
    assert status("/ws", {**upgrade, "Origin": "http://example.org", "Host": "example.org"}) == 403
    assert status("/", {"Host": "example.org"}) == 403
    assert status("/", {"Host": f"localhost:{digits_port}"}) == 200
    for path in ("/etc/passwd", "/static/../../../../etc/passwd", "/static/%2e%2e/%2e%2e/server.py", "/checkpoint.h5"):
        assert status(path, {}) in (403, 404)


def test_a_path_that_does_not_exist_ends_the_program_with_a_sentence(tmp_path):
    command = [sys.executable, SCRIPT, tmp_path / "none.h5"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert ended.returncode == 2
    assert ended.stderr.startswith("explore_latent.py: error: ")
    assert "none.h5" in ended.stderr
    assert ended.stderr.count("\n") == 1
