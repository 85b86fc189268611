"""Models: VAEs, generators, critics, classifiers and U-Nets."""

from tinygen.models.classifier import Classifier as Classifier
from tinygen.models.classifier import DigitClassifier as DigitClassifier
from tinygen.models.classifier import SVHNClassifier as SVHNClassifier
from tinygen.models.colour import ColourVAE as ColourVAE
from tinygen.models.colour import Critic as Critic
from tinygen.models.colour import Generator as Generator
from tinygen.models.grey import DCGANCritic as DCGANCritic
from tinygen.models.grey import DCGANGenerator as DCGANGenerator
from tinygen.models.grey import GreyCritic as GreyCritic
from tinygen.models.grey import GreyGenerator as GreyGenerator
from tinygen.models.m2 import M2 as M2
from tinygen.models.made import MADE as MADE
from tinygen.models.mlp import MLP as MLP
from tinygen.models.pixels import BernoulliPixels as BernoulliPixels
from tinygen.models.pixels import GaussianPixels as GaussianPixels
from tinygen.models.unet import UNet as UNet
from tinygen.models.vae import MLPVAE as MLPVAE
from tinygen.models.vae import VAE as VAE
from tinygen.models.vae import ConvVAE as ConvVAE
