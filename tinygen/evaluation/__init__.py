"""Evaluation: what a trained model is worth, in numbers and in pictures' raw material."""

from tinygen.evaluation.features import features as features
from tinygen.evaluation.likelihood import elbo as elbo
from tinygen.evaluation.likelihood import estimate_log_likelihood as estimate_log_likelihood
from tinygen.evaluation.likelihood import log_likelihood as log_likelihood
from tinygen.evaluation.pictures import interpolate as interpolate
from tinygen.evaluation.pictures import reconstruct as reconstruct
