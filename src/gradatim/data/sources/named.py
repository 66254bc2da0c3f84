"""Well-known data sets by name: a local copy where there is one, else a verified download."""

from __future__ import annotations

import shutil
import tarfile
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from gradatim.core.files import disk_errors
from gradatim.core.talk import Talk
from gradatim.data.cache import cache_folder, claim
from gradatim.data.download import Remote, fetch
from gradatim.data.raw import RawArrays
from gradatim.data.sources import Request, cifar, idx
from gradatim.errors import DownloadError


@dataclass(frozen=True)
class Named:
    """Where a named data set is found.

    Attributes:
        folders: folders (absolute, or below the one the user names) that may hold a local copy.
        bases: addresses of folders on the network, tried in order.
        files: the files to download.
    """

    folders: tuple[str, ...]
    bases: tuple[str, ...]
    files: tuple[Remote, ...]


# Sizes and SHA-256 are those of the files as their authors published them.
NAMED: dict[str, Named] = {
    "mnist": Named(
        folders=("/usr/share/datasets/mnist",),
        bases=(
            "https://ossci-datasets.s3.amazonaws.com/mnist",
            "https://storage.googleapis.com/cvdf-datasets/mnist",
        ),
        files=(
            Remote(
                "train-images-idx3-ubyte.gz",
                9_912_422,
                "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
            ),
            Remote(
                "train-labels-idx1-ubyte.gz",
                28_881,
                "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
            ),
            Remote(
                "t10k-images-idx3-ubyte.gz",
                1_648_877,
                "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
            ),
            Remote(
                "t10k-labels-idx1-ubyte.gz",
                4_542,
                "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
            ),
        ),
    ),
    "fashion-mnist": Named(
        folders=("/usr/share/datasets/fashion-mnist",),  # Debian: dataset-fashion-mnist
        bases=(
            "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion",
        ),
        files=(
            Remote(
                "train-images-idx3-ubyte.gz",
                26_421_880,
                "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
            ),
            Remote(
                "train-labels-idx1-ubyte.gz",
                29_515,
                "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
            ),
            Remote(
                "t10k-images-idx3-ubyte.gz",
                4_422_102,
                "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
            ),
            Remote(
                "t10k-labels-idx1-ubyte.gz",
                5_148,
                "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
            ),
        ),
    ),
    "cifar10": Named(
        folders=(),
        bases=("https://www.cs.toronto.edu/~kriz",),
        files=(
            Remote(
                "cifar-10-binary.tar.gz",
                170_052_171,
                "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
            ),
        ),
    ),
}


def mnist(request: Request) -> RawArrays:
    """70,000 handwritten digits of 28 x 28 pixels (LeCun, Cortes and Burges, 1998)."""
    return _read("mnist", request, _has_idx, idx.read_folder, _download_files)


def fashion_mnist(request: Request) -> RawArrays:
    """70,000 photos of clothes of 28 x 28 pixels (Xiao, Rasul and Vollgraf, 2017)."""
    raw = _read("fashion-mnist", request, _has_idx, idx.read_folder, _download_files)
    return replace(raw, classes=idx.FASHION, notes=[n for n in raw.notes if "known by" not in n])


def cifar10(request: Request) -> RawArrays:
    """60,000 colour photos of 32 x 32 pixels in ten classes (Krizhevsky, 2009)."""
    return _read("cifar10", request, _has_cifar, cifar.read_folder, _download_cifar)


def _read(
    name: str,
    request: Request,
    holds: Callable[[Path], bool],
    read_folder: Callable[[Path, str], RawArrays],
    download: Callable[[Named, Path, Talk], None],
) -> RawArrays:
    """Read the first local copy; without one, download into the cache and read that."""
    named = NAMED[name]
    cache = request.cache or cache_folder()
    kept = cache / "downloads" / name
    for folder in _places(name, named, request.folder, kept):
        if holds(folder):
            return _noted(read_folder(folder, name), f"read from {folder}")
    claim(cache, "downloads", name, name)
    try:
        download(named, kept, request.talk)
    except DownloadError as error:
        files = ", ".join(file.name for file in named.files)
        raise DownloadError(
            f"the data set {name} is not on this machine, and {error.what}",
            next_step=f"with a network, run the command again; without one, put {files} "
            f"(from {named.bases[0]}) into {kept}, or name their folder with --data-dir",
        ) from error
    return _noted(read_folder(kept, name), f"read from {kept}")


def _noted(raw: RawArrays, note: str) -> RawArrays:
    return replace(raw, notes=[*raw.notes, note])


def _places(name: str, named: Named, folder: Path | None, kept: Path) -> list[Path]:
    """Return where a local copy may be, the user's own folder first.

    Below that folder the set may lie in a folder of its name; ``FashionMNIST/raw`` and
    ``MNIST/raw`` are where torchvision puts its downloads.
    """
    places = []
    if folder is not None:
        torchvision = {"mnist": "MNIST/raw", "fashion-mnist": "FashionMNIST/raw"}
        below = [name, torchvision[name]] if name in torchvision else [name]
        places = [folder, *(folder / part for part in below)]
    return [*places, *(Path(place) for place in named.folders), kept]


def _has_idx(folder: Path) -> bool:
    names = ("train-images", "train-labels", "t10k-images", "t10k-labels")
    return all(any(folder.glob(f"{name}?idx*-ubyte*")) for name in names)


def _has_cifar(folder: Path) -> bool:
    inner = folder / cifar.FOLDER
    folder = inner if inner.is_dir() else folder
    return all((folder / file).is_file() for file in _CIFAR_MEMBERS)


def _download_files(named: Named, folder: Path, talk: Talk) -> None:
    for file in named.files:
        fetch(file, named.bases, folder, talk)


_CIFAR_MEMBERS = (*cifar.TRAIN_FILES, cifar.TEST_FILE, cifar.NAMES_FILE)


def _download_cifar(named: Named, folder: Path, talk: Talk) -> None:
    archive = fetch(named.files[0], named.bases, folder, talk)
    unpack(archive, folder / cifar.FOLDER, cifar.FOLDER, _CIFAR_MEMBERS)
    archive.unlink()


def unpack(archive: Path, target: Path, inside: str, members: tuple[str, ...]) -> None:
    """Take the expected files out of a tar archive, and nothing else.

    Args:
        archive: the file.
        target: folder that is made; it appears with all files in it or not at all.
        inside: the folder in the archive.
        members: names of the regular files wanted from that folder.

    Raises:
        DownloadError: the archive is damaged or lacks one of them.
    """
    with disk_errors(target):
        work = Path(tempfile.mkdtemp(prefix=".unpack-", dir=target.parent))
        try:
            with tarfile.open(archive) as tar:
                for member in members:
                    content = tar.extractfile(f"{inside}/{member}")
                    if content is None:
                        raise KeyError(f"{member} is not a regular file")
                    with content, open(work / member, "wb") as file:
                        shutil.copyfileobj(content, file)
            if target.is_dir():  # left incomplete by other means
                shutil.rmtree(target)
            work.replace(target)
        except (tarfile.TarError, KeyError, EOFError) as error:
            raise DownloadError(
                f"the archive cannot be unpacked ({error})",
                given=archive,
                next_step="delete it and run the command again",
            ) from error
        finally:
            shutil.rmtree(work, ignore_errors=True)
