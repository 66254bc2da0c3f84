"""The downloader against a server on this machine that misbehaves in every way."""

import hashlib
import io
import tarfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest

from gradatim.data import download
from gradatim.data.download import Remote, fetch
from gradatim.data.sources import Request, cifar, find, named
from gradatim.data.sources.named import NAMED, unpack
from gradatim.errors import DownloadError

CONTENT = bytes(range(256)) * 2000
FILE = Remote("file.bin", len(CONTENT), hashlib.sha256(CONTENT).hexdigest())


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.files = {}
        self.ranges = []
        self.cut_after = None

    @property
    def base(self):
        return f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    def log_message(self, *values):
        pass

    def do_GET(self):
        if self.path.startswith("/away/"):
            self.send_response(302)
            self.send_header("Location", self.server.base + self.path.removeprefix("/away"))
            self.end_headers()
            return
        if self.path.startswith("/plain/"):
            self.send_response(302)
            self.send_header("Location", "http://example.org/file.bin")
            self.end_headers()
            return
        content = self.server.files.get(self.path)
        if content is None:
            self.send_error(404)
            return
        wanted = self.headers.get("Range")
        start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted else 0
        self.server.ranges.append(start)
        if start >= len(content):
            self.send_error(416)
            return
        self.send_response(206 if wanted else 200)
        self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        stop = self.server.cut_after
        self.wfile.write(content[start:stop])


@pytest.fixture
def server():
    server = Server()
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()


def test_fetches_and_verifies(server, tmp_path):
    server.files["/file.bin"] = CONTENT
    path = fetch(FILE, [server.base], tmp_path / "new")
    assert path.read_bytes() == CONTENT
    assert [entry.name for entry in path.parent.iterdir()] == ["file.bin"]
    fetch(FILE, [server.base], tmp_path / "new")
    assert len(server.ranges) == 1, "a whole file is not fetched again"


def test_follows_redirects(server, tmp_path):
    server.files["/file.bin"] = CONTENT
    assert fetch(FILE, [server.base + "/away"], tmp_path).read_bytes() == CONTENT


def test_never_leaves_https(server, tmp_path):
    with pytest.raises(DownloadError, match="not https"):
        fetch(FILE, [server.base + "/plain"], tmp_path)
    with pytest.raises(DownloadError, match="not https"):
        fetch(FILE, ["http://example.org"], tmp_path)
    with pytest.raises(DownloadError, match="not https"):
        fetch(FILE, ["file:///etc"], tmp_path)


def test_wrong_checksum_leaves_nothing(server, tmp_path):
    server.files["/file.bin"] = bytes(len(CONTENT))
    with pytest.raises(DownloadError, match="checksum") as caught:
        fetch(FILE, [server.base], tmp_path)
    assert list(tmp_path.iterdir()) == []
    assert str(tmp_path / "file.bin") in str(caught.value)


def test_too_much_leaves_nothing(server, tmp_path):
    server.files["/file.bin"] = CONTENT + b"x"
    with pytest.raises(DownloadError, match="more than the 512,000 bytes"):
        fetch(FILE, [server.base], tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_cut_connection_is_gone_on_with(server, tmp_path):
    server.files["/file.bin"] = CONTENT
    server.cut_after = 300_000
    with pytest.raises(DownloadError):
        fetch(FILE, [server.base], tmp_path)
    assert [entry.name for entry in tmp_path.iterdir()] == ["file.bin.part"]
    server.cut_after = None
    assert fetch(FILE, [server.base], tmp_path).read_bytes() == CONTENT
    assert server.ranges == [0, 300_000]
    assert [entry.name for entry in tmp_path.iterdir()] == ["file.bin"]


def test_short_file_is_refused(server, tmp_path):
    server.files["/file.bin"] = CONTENT[:-1]
    with pytest.raises(DownloadError, match=r"511,999 of 512,000|IncompleteRead"):
        fetch(FILE, [server.base], tmp_path)
    assert not (tmp_path / "file.bin").exists()


def test_part_longer_than_the_file_there_is_thrown_away(server, tmp_path):
    server.files["/file.bin"] = CONTENT[:1000]
    (tmp_path / "file.bin.part").write_bytes(CONTENT[:2000])
    with pytest.raises(DownloadError, match="shorter than what came before"):
        fetch(FILE, [server.base], tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_damaged_part_is_thrown_away(server, tmp_path):
    server.files["/file.bin"] = CONTENT
    (tmp_path / "file.bin.part").write_bytes(b"not the beginning of it")
    with pytest.raises(DownloadError, match="checksum"):
        fetch(FILE, [server.base], tmp_path)
    assert fetch(FILE, [server.base], tmp_path).read_bytes() == CONTENT


def test_part_of_a_living_process_is_left_alone(server, tmp_path):
    server.files["/file.bin"] = CONTENT
    other = tmp_path / "file.bin.999999.part"
    other.write_bytes(CONTENT[:1000])
    fetch(FILE, [server.base], tmp_path)
    assert other.read_bytes() == CONTENT[:1000]
    assert server.ranges == [0]


def test_part_of_a_dead_process_is_taken_over(server, tmp_path, monkeypatch):
    monkeypatch.setattr(download, "ABANDONED", -1.0)
    server.files["/file.bin"] = CONTENT
    other = tmp_path / "file.bin.999999.part"
    other.write_bytes(CONTENT[:1000])
    fetch(FILE, [server.base], tmp_path)
    assert server.ranges == [1000]
    assert not other.exists()


def test_second_address_is_tried(server, tmp_path):
    server.files["/good/file.bin"] = CONTENT
    path = fetch(FILE, [server.base + "/bad", server.base + "/good"], tmp_path)
    assert path.read_bytes() == CONTENT


def test_no_network_says_which_file_to_put_where(tmp_path):
    closed = "http://127.0.0.1:9"
    with pytest.raises(DownloadError) as caught:
        fetch(FILE, [closed], tmp_path)
    message = str(caught.value)
    assert str(tmp_path / "file.bin") in message
    assert "512,000 bytes" in message
    assert closed in message


def test_progress_is_told(server, tmp_path):
    server.files["/file.bin"] = CONTENT
    told = []

    class Bar:
        def __enter__(self):
            return self

        def __exit__(self, *exception):
            return None

        def update(self, done, **facts):
            told.append(done)

    class Talk:
        def track(self, what, total, unit=""):
            told.append((what, total, unit))
            return Bar()

    fetch(FILE, [server.base], tmp_path, Talk())
    assert told[0] == ("downloading file.bin", len(CONTENT), "B")
    assert told[-1] == len(CONTENT)


def archive_of(files, inside=cifar.FOLDER):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name, content in files.items():
            info = tarfile.TarInfo(f"{inside}/{name}")
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def small_cifar():
    record = bytes([1]) + bytes(3072)
    files = dict.fromkeys((*cifar.TRAIN_FILES, cifar.TEST_FILE), record)
    return files | {cifar.NAMES_FILE: b"cat\ndog\n", "readme.html": b"not wanted"}


def test_cifar10_is_downloaded_unpacked_and_read(server, tmp_path, monkeypatch):
    content = archive_of(small_cifar())
    remote = Remote("cifar-10-binary.tar.gz", len(content), hashlib.sha256(content).hexdigest())
    server.files["/cifar-10-binary.tar.gz"] = content
    monkeypatch.setitem(NAMED, "cifar10", named.Named((), (server.base,), (remote,)))
    raw = find("cifar10")(Request("cifar10", cache=tmp_path))
    assert raw.inputs.shape == (6, 32, 32, 3)
    assert raw.classes == ("cat", "dog")
    kept = tmp_path / "downloads" / "cifar10"
    assert sorted(path.name for path in (kept / cifar.FOLDER).iterdir()) == sorted(
        (*cifar.TRAIN_FILES, cifar.TEST_FILE, cifar.NAMES_FILE)
    )
    assert sorted(path.name for path in kept.iterdir()) == ["about.json", cifar.FOLDER]
    server.files.clear()
    again = find("cifar10")(Request("cifar10", cache=tmp_path))
    np.testing.assert_array_equal(again.targets, raw.targets)


def test_archive_that_lacks_a_file_leaves_nothing(tmp_path):
    archive = tmp_path / "a.tar.gz"
    archive.write_bytes(archive_of({cifar.NAMES_FILE: b"cat\n"}))
    with pytest.raises(DownloadError, match="cannot be unpacked"):
        unpack(archive, tmp_path / "out", cifar.FOLDER, (cifar.NAMES_FILE, cifar.TEST_FILE))
    assert [path.name for path in tmp_path.iterdir()] == ["a.tar.gz"]


def test_archive_with_a_link_in_place_of_a_file_is_refused(tmp_path):
    archive = tmp_path / "a.tar"
    with tarfile.open(archive, "w") as tar:
        info = tarfile.TarInfo("in/wanted")
        info.type, info.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(info)
    with pytest.raises(DownloadError, match="cannot be unpacked"):
        unpack(archive, tmp_path / "out", "in", ("wanted",))


def test_offline_names_the_files_and_the_folder(tmp_path, monkeypatch):
    bases = ("http://127.0.0.1:9",)
    offline = named.Named((), bases, NAMED["mnist"].files)
    monkeypatch.setitem(NAMED, "mnist", offline)
    with pytest.raises(DownloadError) as caught:
        find("mnist")(Request("mnist", cache=tmp_path))
    message = str(caught.value)
    for file in offline.files:
        assert file.name in message
    assert str(tmp_path / "downloads" / "mnist") in message
    assert "--data-dir" in message
    assert not list(tmp_path.rglob("*ubyte*.gz"))


@pytest.mark.parametrize("below", ["", "cifar10"])
def test_local_copy_in_the_named_folder_comes_first(tmp_path, below):
    folder = tmp_path / below / cifar.FOLDER
    folder.mkdir(parents=True)
    for name, content in small_cifar().items():
        (folder / name).write_bytes(content)
    raw = find("cifar10")(Request("cifar10", folder=tmp_path, cache=tmp_path / "none"))
    assert raw.name == "cifar10"
    assert str(tmp_path / below) in raw.notes[-1]
    assert not (tmp_path / "none").exists()


def test_published_sizes_and_checksums_are_well_formed():
    for row in NAMED.values():
        assert all(base.startswith("https://") for base in row.bases)
        for file in row.files:
            assert len(bytes.fromhex(file.sha256)) == 32
            assert file.size > 1000
