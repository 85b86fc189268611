"""Networks: modules, and layers with PyTorch's names, shapes and initial weights."""

from tinygen.nn.containers import ModuleList as ModuleList
from tinygen.nn.containers import Sequential as Sequential
from tinygen.nn.layers import Conv2d as Conv2d
from tinygen.nn.layers import ConvTranspose2d as ConvTranspose2d
from tinygen.nn.layers import Linear as Linear
from tinygen.nn.module import Buffer as Buffer
from tinygen.nn.module import Module as Module
from tinygen.nn.module import Parameter as Parameter
from tinygen.nn.normalisation import BatchNorm1d as BatchNorm1d
from tinygen.nn.normalisation import BatchNorm2d as BatchNorm2d
from tinygen.nn.normalisation import GroupNorm as GroupNorm
from tinygen.nn.stateless import ELU as ELU
from tinygen.nn.stateless import AvgPool2d as AvgPool2d
from tinygen.nn.stateless import Dropout as Dropout
from tinygen.nn.stateless import Dropout2d as Dropout2d
from tinygen.nn.stateless import Flatten as Flatten
from tinygen.nn.stateless import LeakyReLU as LeakyReLU
from tinygen.nn.stateless import MaxPool2d as MaxPool2d
from tinygen.nn.stateless import ReLU as ReLU
from tinygen.nn.stateless import Sigmoid as Sigmoid
from tinygen.nn.stateless import SiLU as SiLU
from tinygen.nn.stateless import Softplus as Softplus
from tinygen.nn.stateless import Tanh as Tanh
from tinygen.nn.stateless import Unflatten as Unflatten
from tinygen.nn.stateless import UpsamplingBilinear2d as UpsamplingBilinear2d
from tinygen.nn.stateless import UpsamplingNearest2d as UpsamplingNearest2d
