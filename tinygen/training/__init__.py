"""Training: the loop, VAEs, GANs and classifiers, a run's folder and report, and the shared parts of the examples."""

from tinygen.console import print_table as print_table
from tinygen.console import progress as progress
from tinygen.console import say as say
from tinygen.training.command import conduct as conduct
from tinygen.training.command import interruptible as interruptible
from tinygen.training.command import refusing as refusing
from tinygen.training.gan import GAN as GAN
from tinygen.training.gan import fixed_latents as fixed_latents
from tinygen.training.loop import train as train
from tinygen.training.options import common_arguments as common_arguments
from tinygen.training.options import likelihood_arguments as likelihood_arguments
from tinygen.training.options import load_splits as load_splits
from tinygen.training.report import Reference as Reference
from tinygen.training.run import Run as Run
from tinygen.training.run import print_results as print_results
from tinygen.training.snapshots import Snapshots as Snapshots
from tinygen.training.vae import train_vae as train_vae
