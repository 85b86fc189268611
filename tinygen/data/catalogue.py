"""The data sets that ``load`` knows, as a table: where each is from, which files hold it, and what they must be.

A set is an entry here and nothing else: addresses, folder, files with their sizes and checksums and how each is read;
or, for a set that the library draws itself, the function that draws it.

Sizes and checksums are public: the downloads' are TensorFlow Datasets' (``url_checksums``), which agree with
torchvision's and with the ones that the Fashion-MNIST and SVHN pages give; they were compared with the real files. The
checksum of the content is what makes a file official, however it was packed.
"""

from functools import partial

from tinygen.data.formats import parse_amat, parse_idx_images, parse_idx_labels
from tinygen.data.matlab import parse_svhn
from tinygen.data.source import DrawnSet, PublishedSet, SourceFile
from tinygen.data.street import street
from tinygen.data.strokes import strokes

GREY = (1, 28, 28)  # (C, H, W)
COLOUR = (3, 32, 32)

parse_binary = partial(parse_amat, shape=GREY)
parse_images = partial(parse_idx_images, shape=GREY)
parse_labels = partial(parse_idx_labels, classes=10)
parse_matlab = partial(parse_svhn, shape=COLOUR)

# Larochelle and Murray (2011), who fixed the binarisation of Salakhutdinov and Murray (2008). No mirror is known.
BINARIZED_MNIST = PublishedSet(
    folder="binarized_mnist",
    addresses=("http://www.cs.toronto.edu/~larocheh/public/datasets/binarized_mnist/",),
    files={
        "train": (
            SourceFile(
                "binarized_mnist_train.amat",
                parse_binary,
                count=50_000,
                size=78_400_000,
                sha256="ad693b29f94c14277b095f5238ddefbbdaaae0939789dd2f4f0205278cee3e4d",
            ),
        ),
        "valid": (
            SourceFile(
                "binarized_mnist_valid.amat",
                parse_binary,
                count=10_000,
                size=15_680_000,
                sha256="1de3d397c40fe8eeb33dafd4099a1f665ec01e96d9be234aaeeac8a34930e2e2",
            ),
        ),
        "test": (
            SourceFile(
                "binarized_mnist_test.amat",
                parse_binary,
                count=10_000,
                size=15_680_000,
                sha256="e6687bfea3f820c174f33b7865140b2a2dd2930ef786f35d45795fc193b5ab2c",
            ),
        ),
    },
)

# LeCun, Cortes and Burges (1998). Their own host, yann.lecun.com, has answered 403 since 2024.
MNIST = PublishedSet(
    folder="mnist",
    addresses=(
        "https://storage.googleapis.com/cvdf-datasets/mnist/",
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
    ),
    files={
        "train": (
            SourceFile(
                "train-images-idx3-ubyte.gz",
                parse_images,
                count=60_000,
                size=9_912_422,
                sha256="440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
                unpacked_sha256="ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
            ),
            SourceFile(
                "train-labels-idx1-ubyte.gz",
                parse_labels,
                count=60_000,
                size=28_881,
                sha256="3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
                unpacked_sha256="65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
            ),
        ),
        "test": (
            SourceFile(
                "t10k-images-idx3-ubyte.gz",
                parse_images,
                count=10_000,
                size=1_648_877,
                sha256="8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
                unpacked_sha256="0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
            ),
            SourceFile(
                "t10k-labels-idx1-ubyte.gz",
                parse_labels,
                count=10_000,
                size=4_542,
                sha256="f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
                unpacked_sha256="ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
            ),
        ),
    },
)

# Xiao, Rasul and Vollgraf (2017).
FASHION_MNIST = PublishedSet(
    folder="fashion_mnist",
    addresses=(
        "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
        "https://github.com/zalandoresearch/fashion-mnist/raw/master/data/fashion/",
    ),
    files={
        "train": (
            SourceFile(
                "train-images-idx3-ubyte.gz",
                parse_images,
                count=60_000,
                size=26_421_880,
                sha256="3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
                unpacked_sha256="c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
            ),
            SourceFile(
                "train-labels-idx1-ubyte.gz",
                parse_labels,
                count=60_000,
                size=29_515,
                sha256="a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
                unpacked_sha256="bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
            ),
        ),
        "test": (
            SourceFile(
                "t10k-images-idx3-ubyte.gz",
                parse_images,
                count=10_000,
                size=4_422_102,
                sha256="346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
                unpacked_sha256="5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
            ),
            SourceFile(
                "t10k-labels-idx1-ubyte.gz",
                parse_labels,
                count=10_000,
                size=5_148,
                sha256="67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
                unpacked_sha256="0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
            ),
        ),
    },
)

# Netzer et al. (2011), the cropped digits. No mirror of these files is known.
SVHN = PublishedSet(
    folder="svhn",
    addresses=("http://ufldl.stanford.edu/housenumbers/",),
    files={
        "train": (
            SourceFile(
                "train_32x32.mat",
                parse_matlab,
                count=73_257,
                size=182_040_794,
                sha256="435e94d69a87fde4fd4d7f3dd208dfc32cb6ae8af2240d066de1df7508d083b8",
            ),
        ),
        "test": (
            SourceFile(
                "test_32x32.mat",
                parse_matlab,
                count=26_032,
                size=64_275_384,
                sha256="cdce80dfb2a2c4c6160906d0bd7c68ec5a99d7ca4831afa54f09182025b6a75b",
            ),
        ),
    },
)

STROKES = DrawnSet(strokes, {"train": (60_000, 1), "valid": (10_000, 2), "test": (10_000, 3)})
STREET = DrawnSet(street, {"train": (73_257, 1), "valid": (10_000, 2), "test": (26_032, 3)})

CATALOGUE: dict[str, PublishedSet | DrawnSet] = {
    "binarized-mnist": BINARIZED_MNIST,
    "mnist": MNIST,
    "fashion-mnist": FASHION_MNIST,
    "svhn": SVHN,
    "strokes": STROKES,
    "street": STREET,
}
