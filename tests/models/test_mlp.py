"""Multilayer perceptrons: widths, activations between layers and none after the last."""

import tinygen as tg
from tinygen import nn
from tinygen.models import MLP


def test_layers_have_the_widths_asked_for_with_activations_between_them():
    model = MLP(3, 2, hidden=(5, 4), activation=nn.Tanh)
    assert [type(layer) for layer in model.layers] == [nn.Linear, nn.Tanh, nn.Linear, nn.Tanh, nn.Linear]
    assert [tuple(p.shape) for p in model.parameters()] == [(5, 3), (5,), (4, 5), (4,), (2, 4), (2,)]
    assert model(tg.randn(7, 3)).shape == (7, 2)


def test_without_hidden_layers_it_is_linear():
    model = MLP(3, hidden=())
    assert [type(layer) for layer in model.layers] == [nn.Linear]


def test_zero_init_last_gives_0_everywhere_and_can_be_trained():
    model, x = MLP(3, zero_init_last=True), tg.randn(7, 3)
    assert (model(x).numpy() == 0).all()
    model(x).sum().backward()
    assert (model.layers[-1].weight.grad.numpy() != 0).any()
