"""The data sets that ``load`` offers: for a published set its addresses, folder and files, with the size, the checksum
and the parser of each; for a synthetic set the function that draws it.

Sizes and checksums are public: those of the downloads are TensorFlow Datasets' (``url_checksums``), which agree with
torchvision's and with those on the Fashion-MNIST and SVHN pages; they were compared with the real files. A file is
official if the checksum of its content is, whether it is gzipped or not.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from tinygen.data.formats import Arrays, parse_amat, parse_idx_images, parse_idx_labels
from tinygen.data.matlab import parse_svhn
from tinygen.data.street import street
from tinygen.data.strokes import strokes

SPLITS = ("train", "valid", "test")
GREY = (1, 28, 28)  # (C, H, W)
COLOUR = (3, 32, 32)


@dataclass(frozen=True)
class SourceFile:
    """A published file: its name, its parser, the number of images or labels in it, its size in bytes, the SHA-256 of
    the file, and that of its content (the same unless the file is gzipped)."""

    name: str
    parse: Callable[[bytes], Arrays]
    count: int
    size: int
    sha256: str
    content_sha256: str


@dataclass(frozen=True)
class PublishedSet:
    """A data set in files: its folder under the root, the addresses to try in turn, the files of each split."""

    folder: str
    addresses: tuple[str, ...]
    files: Mapping[str, tuple[SourceFile, ...]]


@dataclass(frozen=True)
class SyntheticSet:
    """A data set that the library draws: ``draw(count, seed, limit) -> (images, labels)``, the first ``limit`` of
    ``count`` (None: all of them), and each split's (count, seed)."""

    draw: Callable[[int, int, int | None], tuple[np.ndarray, np.ndarray]]
    splits: Mapping[str, tuple[int, int]]


# As sha256sum prints them: of each file, and of each gzipped file's content.
CHECKSUMS = """
ad693b29f94c14277b095f5238ddefbbdaaae0939789dd2f4f0205278cee3e4d  binarized_mnist/binarized_mnist_train.amat
1de3d397c40fe8eeb33dafd4099a1f665ec01e96d9be234aaeeac8a34930e2e2  binarized_mnist/binarized_mnist_valid.amat
e6687bfea3f820c174f33b7865140b2a2dd2930ef786f35d45795fc193b5ab2c  binarized_mnist/binarized_mnist_test.amat
440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609  mnist/train-images-idx3-ubyte.gz
3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c  mnist/train-labels-idx1-ubyte.gz
8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6  mnist/t10k-images-idx3-ubyte.gz
f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6  mnist/t10k-labels-idx1-ubyte.gz
3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84  fashion_mnist/train-images-idx3-ubyte.gz
a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845  fashion_mnist/train-labels-idx1-ubyte.gz
346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073  fashion_mnist/t10k-images-idx3-ubyte.gz
67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5  fashion_mnist/t10k-labels-idx1-ubyte.gz
435e94d69a87fde4fd4d7f3dd208dfc32cb6ae8af2240d066de1df7508d083b8  svhn/train_32x32.mat
cdce80dfb2a2c4c6160906d0bd7c68ec5a99d7ca4831afa54f09182025b6a75b  svhn/test_32x32.mat
ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db  mnist/train-images-idx3-ubyte
65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5  mnist/train-labels-idx1-ubyte
0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7  mnist/t10k-images-idx3-ubyte
ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2  mnist/t10k-labels-idx1-ubyte
c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888  fashion_mnist/train-images-idx3-ubyte
bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9  fashion_mnist/train-labels-idx1-ubyte
5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b  fashion_mnist/t10k-images-idx3-ubyte
0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34  fashion_mnist/t10k-labels-idx1-ubyte
"""


def published_set(folder: str, addresses: tuple[str, ...], **splits: tuple[tuple[Any, ...], ...]) -> PublishedSet:
    """A published set whose files are rows (name, parser, count, size)."""
    sha256 = {path: checksum for checksum, path in map(str.split, CHECKSUMS.split("\n")[1:-1])}

    def source_file(name: str, parse: Callable[[bytes], Arrays], count: int, size: int) -> SourceFile:
        path = f"{folder}/{name}"
        return SourceFile(name, parse, count, size, sha256[path], sha256[path.removesuffix(".gz")])

    return PublishedSet(
        folder, addresses, {split: tuple(source_file(*row) for row in rows) for split, rows in splits.items()}
    )


parse_binary = partial(parse_amat, shape=GREY)
parse_images = partial(parse_idx_images, shape=GREY)
parse_labels = partial(parse_idx_labels, classes=10)
parse_matlab = partial(parse_svhn, shape=COLOUR)

# The fixed binarisation of Larochelle and Murray (2011), after Salakhutdinov and Murray (2008). No mirror is known.
BINARIZED_MNIST = published_set(
    "binarized_mnist",
    ("http://www.cs.toronto.edu/~larocheh/public/datasets/binarized_mnist/",),
    train=(("binarized_mnist_train.amat", parse_binary, 50_000, 78_400_000),),
    valid=(("binarized_mnist_valid.amat", parse_binary, 10_000, 15_680_000),),
    test=(("binarized_mnist_test.amat", parse_binary, 10_000, 15_680_000),),
)

# LeCun, Cortes and Burges (1998). Their own host, yann.lecun.com, has answered 403 since 2024.
MNIST = published_set(
    "mnist",
    ("https://storage.googleapis.com/cvdf-datasets/mnist/", "https://ossci-datasets.s3.amazonaws.com/mnist/"),
    train=(
        ("train-images-idx3-ubyte.gz", parse_images, 60_000, 9_912_422),
        ("train-labels-idx1-ubyte.gz", parse_labels, 60_000, 28_881),
    ),
    test=(
        ("t10k-images-idx3-ubyte.gz", parse_images, 10_000, 1_648_877),
        ("t10k-labels-idx1-ubyte.gz", parse_labels, 10_000, 4_542),
    ),
)

# Xiao, Rasul and Vollgraf (2017).
FASHION_MNIST = published_set(
    "fashion_mnist",
    (
        "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
        "https://github.com/zalandoresearch/fashion-mnist/raw/master/data/fashion/",
    ),
    train=(
        ("train-images-idx3-ubyte.gz", parse_images, 60_000, 26_421_880),
        ("train-labels-idx1-ubyte.gz", parse_labels, 60_000, 29_515),
    ),
    test=(
        ("t10k-images-idx3-ubyte.gz", parse_images, 10_000, 4_422_102),
        ("t10k-labels-idx1-ubyte.gz", parse_labels, 10_000, 5_148),
    ),
)

# Netzer et al. (2011), the cropped digits. No mirror of these files is known.
SVHN = published_set(
    "svhn",
    ("http://ufldl.stanford.edu/housenumbers/",),
    train=(("train_32x32.mat", parse_matlab, 73_257, 182_040_794),),
    test=(("test_32x32.mat", parse_matlab, 26_032, 64_275_384),),
)

STROKES = SyntheticSet(strokes, {"train": (60_000, 1), "valid": (10_000, 2), "test": (10_000, 3)})
STREET = SyntheticSet(street, {"train": (73_257, 1), "valid": (10_000, 2), "test": (26_032, 3)})

CATALOGUE: dict[str, PublishedSet | SyntheticSet] = {
    "binarized-mnist": BINARIZED_MNIST,
    "mnist": MNIST,
    "fashion-mnist": FASHION_MNIST,
    "svhn": SVHN,
    "strokes": STROKES,
    "street": STREET,
}
