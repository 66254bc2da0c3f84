"""Where data comes from: a name in ``SOURCES``, or a file or folder whose content decides.

Every source is one module with ``read(request: Request) -> Raw``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from gradatim.core.registry import resolve
from gradatim.core.talk import SILENCE, Talk
from gradatim.errors import DataError, EmptySourceError, SourceNotFoundError

if TYPE_CHECKING:
    from gradatim.data.raw import Raw

SOURCES: dict[str, str] = {
    "digits": "gradatim.data.sources.embedded:digits",
    "iris": "gradatim.data.sources.embedded:iris",
    "wine": "gradatim.data.sources.embedded:wine",
    "breast-cancer": "gradatim.data.sources.embedded:breast_cancer",
    "diabetes": "gradatim.data.sources.embedded:diabetes",
    "moons": "gradatim.data.sources.generated:moons",
    "circles": "gradatim.data.sources.generated:circles",
    "blobs": "gradatim.data.sources.generated:blobs",
    "adding": "gradatim.data.sources.adding:read",
    "mnist": "gradatim.data.sources.named:mnist",
    "fashion-mnist": "gradatim.data.sources.named:fashion_mnist",
    "cifar10": "gradatim.data.sources.named:cifar10",
}

TABLES = (".csv", ".tsv", ".parquet")
ARRAYS = (".npz",)
TEXTS = (".txt",)


@dataclass(frozen=True)
class Request:
    """What is asked of a source.

    Attributes:
        source: a name, a folder or a file, as the user wrote it.
        target: the column that is predicted, when the user named one.
        task: ``classification`` or ``regression``, when the user named one.
        length: steps of a sample, when the user named a number.
        folder: where local copies of named sets are looked for first.
        cache: where named sets that are downloaded are kept; the user's cache folder when None.
        talk: where progress goes.
    """

    source: str
    target: str | None = None
    task: str | None = None
    folder: Path | None = None
    cache: Path | None = None
    talk: Talk = SILENCE
    length: int | None = None

    @property
    def path(self) -> Path:
        """The source as a place in the file system."""
        return Path(self.source).expanduser()


Reader = Callable[[Request], "Raw"]


def find(source: str) -> Reader:
    """Return the reader of a source: by its name, else by what is at the place it names.

    Raises:
        SourceNotFoundError: neither a name nor a file or folder.
        DataError: something is there that no reader can use.
    """
    if source in SOURCES:
        reader: Reader = resolve(SOURCES, source, "source")
        return reader
    place = Path(source).expanduser()
    if place.is_dir():
        return _module(_folder_module(place))
    if place.is_file():
        return _module(_file_module(place))
    raise SourceNotFoundError(
        "there is no data set of this name, and no file or folder at this place",
        given=source,
        allowed=list(SOURCES),
        next_step="give one of these names, a folder of images, a table (.csv, .tsv, .parquet), "
        "arrays (.npz) or a text (.txt)",
    )


def _module(name: str) -> Reader:
    reader: Reader = import_module(f"gradatim.data.sources.{name}").read
    return reader


def _folder_module(folder: Path) -> str:
    """Return the module that reads a folder, decided by the names in it."""
    try:
        names = {entry.name for entry in folder.iterdir()}
    except OSError as error:
        raise DataError(
            f"the folder cannot be read ({error.strerror})",
            given=folder,
            next_step="check its permissions",
        ) from error
    if not names:
        raise EmptySourceError(
            "the folder is empty",
            given=folder,
            next_step="give a folder with one sub-folder of images a class",
        )
    if any("-idx1-ubyte" in name or "-idx3-ubyte" in name for name in names):
        return "idx"
    if "data_batch_1.bin" in names or "cifar-10-batches-bin" in names:
        return "cifar"
    if "data_batch_1" in names or "cifar-10-batches-py" in names:
        raise DataError(
            "these are CIFAR-10's pickled files, and pickle can run any code, so it is never read",
            given=folder,
            next_step="give the folder of the binary version (data_batch_1.bin, ...), "
            "or the name cifar10 to download it",
        )
    return "folder"


def _file_module(file: Path) -> str:
    """Return the module that reads a file, decided by its ending and, for a table, its columns."""
    ending = file.suffix.lower()
    if ending in ARRAYS:
        return "arrays"
    if ending in TEXTS:
        return "text_file"
    if ending in TABLES:
        from gradatim.data.sources.table import image_column

        return "table" if image_column(file) is None else "image_table"
    if ending in (".zip", ".gz", ".tar", ".tgz", ".7z"):
        next_step = "unpack it and give the folder"
    else:
        next_step = (
            "give a folder of images, a table (.csv, .tsv, .parquet), arrays (.npz), "
            "or a text (.txt)"
        )
    raise DataError("no reader is known for this kind of file", given=file, next_step=next_step)
