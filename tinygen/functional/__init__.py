"""Layers without state, as functions: activations, convolution, pooling, normalisation, dropout and losses.

Names, argument order and defaults are PyTorch's, with ``x`` for the first argument and ``axis`` for ``dim``. These
functions check shapes and options; values and vector-Jacobian products are in ``operations/``.

Each takes tensors, arrays, lists and numbers. The dtype follows one rule (``autograd/operands.py``), here and in
``likelihoods``: integers and booleans become float32, or the floating-point dtype of the other operands; float16 is
computed in float32 and the result rounded once; float32 and float64 stay. ``max_pool2d`` and ``upsample_nearest2d``,
which select or repeat pixels, keep every dtype.
"""

from tinygen.functional.activations import elu as elu
from tinygen.functional.activations import leaky_relu as leaky_relu
from tinygen.functional.activations import log_sigmoid as log_sigmoid
from tinygen.functional.activations import log_softmax as log_softmax
from tinygen.functional.activations import relu as relu
from tinygen.functional.activations import sigmoid as sigmoid
from tinygen.functional.activations import silu as silu
from tinygen.functional.activations import softmax as softmax
from tinygen.functional.activations import softplus as softplus
from tinygen.functional.activations import tanh as tanh
from tinygen.functional.convolution import conv2d as conv2d
from tinygen.functional.convolution import conv_transpose2d as conv_transpose2d
from tinygen.functional.linear import linear as linear
from tinygen.functional.losses import binary_cross_entropy_with_logits as binary_cross_entropy_with_logits
from tinygen.functional.losses import cross_entropy as cross_entropy
from tinygen.functional.losses import mse_loss as mse_loss
from tinygen.functional.noise import dropout as dropout
from tinygen.functional.noise import dropout2d as dropout2d
from tinygen.functional.normalisation import batch_norm as batch_norm
from tinygen.functional.normalisation import group_norm as group_norm
from tinygen.functional.pooling import avg_pool2d as avg_pool2d
from tinygen.functional.pooling import max_pool2d as max_pool2d
from tinygen.functional.resampling import upsample_bilinear2d as upsample_bilinear2d
from tinygen.functional.resampling import upsample_nearest2d as upsample_nearest2d
