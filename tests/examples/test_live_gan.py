"""The GAN that is trained while the page shows it: its parts, and the page in Chromium."""

import http.client
import socket
import time
from dataclasses import replace
from pathlib import Path
from urllib.parse import parse_qs, urlparse

import numpy as np
import plane_gan
import pytest
import toy_gan
from chromium import deep, in_browser, open_page, press, serving, value, wait

import tinygen as tg
from tinygen import nn
from tinygen.objectives import GAMES

live_gan = pytest.importorskip("live_gan", reason="the page needs Bokeh, of the extra live", exc_type=SystemExit)
SCRIPT = Path(live_gan.__file__)
DEFAULT = plane_gan.Settings()


# Drawn data ----------------------------------------------------------------------------------------------------------


def test_a_drawing_is_written_and_read_again():
    lines = [[(0.0, 0.0), (0.5, -0.25)], [(-1.5, 1.25)]]
    assert plane_gan.read(plane_gan.written(lines)) == lines
    near = [(0.0, 0.0), (0.01, 0.0), (0.07, 0.0), (0.09, 0.0), (0.5, 0.0)]
    assert plane_gan.written([near]) == "0,0 9,0 50,0"


@pytest.mark.parametrize("text", ["", "1", "1,2 ", "1,2/", "1,2,3", "1.5,2", "x,y", "1,2  3,4", "12345,1"])
def test_a_text_that_is_no_drawing_is_refused(text):
    with pytest.raises(ValueError, match="drawing must be points"):
        plane_gan.read(text)


@pytest.mark.usefixtures("seeded")
def test_samples_of_a_drawing_are_uniform_along_its_lines():
    points = plane_gan.Drawing(plane_gan.read("-100,0 0,0 100,0/0,100"))(20_000)
    assert points.dtype == np.float32
    on_point = points[:, 1] > 0.5
    lengths = 2 + 3 * plane_gan.NOISE  # of two segments and a point
    share = plane_gan.NOISE / lengths
    assert abs(on_point.mean() - share) < 5 * (share / 20_000) ** 0.5
    on_line = points[~on_point]
    assert np.abs(on_line[:, 1].std() / plane_gan.NOISE - 1) < 5 / 200  # the error of a standard deviation
    assert np.abs(np.histogram(on_line[:, 0], 8, (-0.8, 0.8))[0] / len(on_line) - 0.1).max() < 5 * 0.3 / 140


# Training ------------------------------------------------------------------------------------------------------------


def weights(training):
    return [each.numpy().copy() for each in training.gan.generator.parameters()]


def test_what_is_measured_changes_nothing_in_the_training():
    plain, measured = plane_gan.PlaneGAN(DEFAULT), plane_gan.PlaneGAN(DEFAULT)
    state = tg.get_rng_state()
    for _ in range(3):
        plain.round()
        measured.round()
        for look in (measured.samples, measured.real, measured.scores, measured.field, measured.coverage):
            look()
    assert all(map(np.array_equal, weights(plain), weights(measured)))
    assert tg.get_rng_state() == state
    assert plain.steps == {"critic": 6, "generator": 3}
    assert plain.total == 9


def test_settings_change_between_steps_and_those_of_the_network_begin_anew():
    training = plane_gan.PlaneGAN(DEFAULT)
    training.round()
    before = weights(training)
    for changed in (
        {"objective": "wasserstein_gradient", "penalty_weight": 3.0},
        {"critic_rate": 0.01, "generator_rate": 0.0001, "critic_steps": 5},
        {"data": "drawing", "drawing": "0,0 50,50"},
    ):
        training.change(replace(training.settings, **changed))
        assert all(map(np.array_equal, weights(training), before))
    training.round()
    assert (training.gan.game.n_critic, training.gan.game.penalty_weight) == (5, 3.0)
    assert training.gan.critic_optimizer.lr == 0.01
    assert training.steps == {"critic": 7, "generator": 2}
    training.change(replace(training.settings, units=8))
    assert training.total == 0
    assert training.gan.critic.layers[0].weight.shape[0] == 8
    again = plane_gan.PlaneGAN(training.settings)
    assert all(map(np.array_equal, weights(training), weights(again)))


class Linear(nn.Module):
    """T(x) = 2 x_1 - x_2."""

    def __init__(self):
        self.weight = nn.Parameter(tg.tensor([[2.0], [-1.0]]))

    def forward(self, x):
        return x @ self.weight


@pytest.mark.parametrize("objective", GAMES)
def test_the_scores_and_the_field_of_a_linear_critic(objective):
    training = plane_gan.PlaneGAN(replace(DEFAULT, objective=objective), Linear)
    points, directions = training.field()
    scores = 2 * points[:, 0] - points[:, 1]
    d = 1 / (1 + np.exp(-scores))
    slope = {"minimax": d, "non_saturating": 1 - d}.get(objective, np.ones_like(d))  # of log(1 - D), -log D, -T
    np.testing.assert_allclose(directions, slope[:, None] * [2, -1], rtol=1e-5)

    image, low, high = training.scores()
    x = plane_gan.lattice(training.settings.extent, plane_gan.SIDE).reshape(plane_gan.SIDE, plane_gan.SIDE, 2)
    assert (x[0, 0] < 0).all()  # the first row is the lowest
    assert x[0, -1, 0] > 0
    expected = 2 * x[..., 0] - x[..., 1]
    if GAMES[objective].has_labels:
        np.testing.assert_allclose(image, 1 / (1 + np.exp(-expected)), rtol=1e-5)
        assert (low, high) == (0, 1)
    else:
        np.testing.assert_allclose(image, expected, atol=1e-5)
        assert high == -low == np.abs(image).max()


def test_the_divergences_are_estimated_from_the_weights_alone(monkeypatch):
    monkeypatch.setattr(toy_gan, "ESTIMATE", {"steps": 2, "batch_size": 8, "samples": 50})
    training = plane_gan.PlaneGAN(DEFAULT)
    found = plane_gan.estimates(training.settings, training.gan.generator.state_dict())
    assert found.keys() == {"jensen_shannon", "kullback_leibler", "wasserstein"}
    assert np.isfinite(list(found.values())).all()


def test_a_critic_of_ones_own_is_checked(tmp_path):
    file = tmp_path / "critic.py"
    file.write_text("from tinygen import models\ndef critic():\n    return models.MLP(2, 1, (3,))\n")
    new_critic = live_gan.critic_in(file)
    training = plane_gan.PlaneGAN(DEFAULT, new_critic)
    assert training.gan.critic.layers[0].weight.shape == (3, 2)
    for text, sentence in (
        ("critic = 1", "has no function critic"),
        ("def critic():\n    return 1", "must return a tinygen.nn.Module, got int"),
        (
            "from tinygen import models\ndef critic():\n    return models.MLP(2, 2, (3,))",
            r"must give scores .*\(3, 2\)",
        ),
    ):
        file.write_text(text)
        with pytest.raises(ValueError, match=sentence):
            live_gan.critic_in(file)


# The page ------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def served():
    with serving(SCRIPT) as (address, server):
        yield address, server


@pytest.fixture
def page(chromium, served):
    """The browser, in which the page has just been opened in a wide window."""
    metrics = {"width": 1500, "height": 1000, "deviceScaleFactor": 1, "mobile": False}
    chromium.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    open_page(chromium, f"{served[0]}/")
    yield chromium
    chromium.get("about:blank")


def steps(page):
    """The numbers of steps of both networks that the page shows."""
    return [int(word.replace(",", "")) for word in value(page, "status", "text").split() if word[0].isdigit()]


def address_with(page, **expected):
    """Wait until the address has these values; returns it."""

    def found(page):
        query = parse_qs(urlparse(page.current_url).query)
        return all(query.get(name) == [each] for name, each in expected.items())

    wait(page, found)
    return page.current_url


def choose(page, title, option):
    """Choose an option of the menu with this title."""
    for group in deep(page, ".bk-input-group"):
        for menu in group.find_elements("css selector", "select"):
            if group.text.startswith(title):
                menu.send_keys(option)


@in_browser
def test_play_trains_and_pause_stops(page):
    before = value(page, "samples", "data")
    press(page, "Play")
    wait(page, lambda page: steps(page)[1] >= 20)
    wait(page, lambda page: len(value(page, live_gan.COVERAGE, "data")["step"]) > 0)
    press(page, "Pause")
    time.sleep(0.5)
    stopped = steps(page)
    assert stopped[0] == 2 * stopped[1]
    losses = value(page, "Losses", "data")
    assert losses["step"][-1] == sum(stopped)
    assert np.isfinite(losses["critic_loss"] + losses["generator_loss"]).all()
    assert value(page, "samples", "data") != before
    time.sleep(0.5)
    assert steps(page) == stopped
    press(page, "Reset")
    wait(page, lambda page: steps(page) == [0, 0])
    assert value(page, "samples", "data") == before
    assert value(page, "Losses", "data")["step"] == []


@in_browser
def test_a_step_of_one_network_leaves_the_other_unchanged(page):
    heat, samples = value(page, "heat", "data"), value(page, "samples", "data")
    press(page, "Step of the critic")
    wait(page, lambda page: steps(page) == [1, 0])
    assert value(page, "samples", "data") == samples
    assert value(page, "heat", "data") != heat
    heat = value(page, "heat", "data")
    press(page, "of the generator")
    wait(page, lambda page: steps(page) == [1, 1])
    assert value(page, "samples", "data") != samples
    assert value(page, "heat", "data") == heat


@in_browser
def test_menus_and_sliders_change_the_training_and_the_address_which_reproduces_it(page):
    choose(page, "Objective", "wasserstein_gradient")
    choose(page, "Data", "spiral")
    chains = pytest.importorskip("selenium.webdriver").ActionChains
    handle = deep(page, ".noUi-handle")[-1]  # of the seed
    chains(page).drag_and_drop_by_offset(handle, 60, 0).perform()
    wait(page, lambda page: "seed=" in page.current_url and "seed=0" not in page.current_url)
    link = address_with(page, objective="wasserstein_gradient", data="spiral")
    press(page, "Step of the critic")
    wait(page, lambda page: steps(page) == [1, 0])
    heat = value(page, "heat", "data")
    assert np.abs(np.array(value(page, "real", "data")["x"])).max() < 1.5
    page.get("about:blank")
    open_page(page, link)
    press(page, "Step of the critic")
    wait(page, lambda page: steps(page) == [1, 0])
    assert value(page, "heat", "data") == heat


@in_browser
def test_data_are_drawn_with_the_mouse(page):
    chains = pytest.importorskip("selenium.webdriver").ActionChains
    plot = deep(page, ".bk-Figure")[0]
    drag = chains(page, duration=50).move_to_element_with_offset(plot, -150, 0).click_and_hold()
    for _ in range(6):
        drag = drag.move_by_offset(50, 0)
    drag.release().perform()
    link = address_with(page, data="drawing")
    points = np.stack([value(page, "real", "data")[axis] for axis in "xy"])
    assert np.ptp(points[0]) > 1
    assert np.ptp(points[1]) < 0.5  # a horizontal line, and noise
    page.get("about:blank")
    open_page(page, link)
    again = np.stack([value(page, "real", "data")[axis] for axis in "xy"])
    np.testing.assert_allclose(again.mean(axis=1), points.mean(axis=1), atol=0.2)


@in_browser
@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ("objective=chess", "objective must be one of minimax, "),
        ("seed=100", "seed must be a whole number from 0 to 99, got '100'"),
        ("seed=nan", "seed must be a whole number from 0 to 99, got 'nan'"),
        ("data=drawing", "drawing must be points"),
        ("drawing=/etc/passwd&data=drawing", "drawing must be points 'x,y x,y/x,y' in hundredths, got '/etc/passwd'"),
        ("critic=/etc/passwd", "critic: a page has no such setting; objective, data"),
        ("data=<b>x</b>", "data must be one of ring, grid, moons, spiral, drawing, got '<b>x</b>'"),
    ],
)
def test_a_wrong_address_is_refused_in_a_sentence(chromium, served, query, sentence):
    open_page(chromium, f"{served[0]}/?{query}")
    assert sentence in " ".join(each.text for each in deep(chromium, ".bk-clearfix"))


@in_browser
@pytest.mark.skipif(not Path("/proc").exists(), reason="reads the processor time in /proc")
def test_the_training_ends_with_its_tab(page, served):
    press(page, "Play")
    wait(page, lambda page: steps(page)[1] > 0)
    page.get("about:blank")
    time.sleep((live_gan.PERIOD + 2 * 3_000) / 1000)
    stat = Path(f"/proc/{served[1].pid}/stat")
    before = sum(map(int, stat.read_text().rpartition(")")[2].split()[11:13]))
    time.sleep(1)
    assert sum(map(int, stat.read_text().rpartition(")")[2].split()[11:13])) - before < 10  # hundredths of a second


def test_the_server_listens_on_this_machine_and_to_its_own_pages_alone(served):
    port = urlparse(served[0]).port
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.2", port), timeout=5)
    for origin, status in ((f"http://127.0.0.1:{port}", 101), ("http://elsewhere.example", 403)):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        connection.request("GET", "/")
        token = connection.getresponse().read().decode().partition('"token":"')[2].partition('"')[0]
        headers = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13", "Origin": origin}
        headers |= {"Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Protocol": f"bokeh, {token}"}
        connection.request("GET", "/ws", headers=headers)
        assert connection.getresponse().status == status
        connection.close()


def test_no_request_reads_a_file(served):
    connection = http.client.HTTPConnection("127.0.0.1", urlparse(served[0]).port, timeout=10)
    for path in ("/live_gan.py", "/static/../live_gan.py", "/static/..%2f..%2f..%2f..%2fetc%2fpasswd", "/etc/passwd"):
        connection.request("GET", path)
        response = connection.getresponse()
        assert response.status in (403, 404)
        assert b"import" not in response.read()
    connection.close()
