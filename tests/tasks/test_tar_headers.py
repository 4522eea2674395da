"""Headers of tar files: the same as Python's tarfile finds in good ones; bad ones are refused."""

from __future__ import annotations

import io
import random
import tarfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pushfit.errors import DataError
from pushfit.tasks.tar_headers import FILE, Archive, Entry, size_at
from tests.fuzz.damage import mutated
from tests.support.tars import FORMATS, archive

NAMES = st.text(
    st.characters(blacklist_categories=("Cs",), blacklist_characters="\0/"),
    min_size=1,
    max_size=120,
).filter(lambda name: name.strip(".") != "")


def entries(data: bytes, folder: Path) -> tuple[list[Entry], Archive]:
    path = folder / "x.tar"
    path.write_bytes(data)
    with path.open("rb") as file:
        found = Archive(file, path)
        return list(found.entries()), found


def refused(data: bytes, folder: Path, match: str) -> None:
    with pytest.raises(DataError, match=match):
        entries(data, folder)


@settings(max_examples=80)
@given(
    names=st.lists(st.lists(NAMES, min_size=1, max_size=4).map("/".join), max_size=8),
    sizes=st.lists(st.sampled_from([0, 1, 511, 512, 513, 9000]), min_size=8, max_size=8),
    form=st.sampled_from(sorted(FORMATS)),
)
def test_what_tarfile_finds(
    tmp_path_factory: pytest.TempPathFactory, names: list[str], sizes: list[int], form: str
) -> None:
    try:
        data = archive([(n, b"x" * s) for n, s in zip(names, sizes, strict=False)], form)
    except ValueError:
        return  # the format has no place for so long a name
    found, _ = entries(data, tmp_path_factory.mktemp("tar"))
    with tarfile.open(fileobj=io.BytesIO(data)) as other:
        expected = [(each.name, each.offset_data, each.size) for each in other]
    assert [(each.name, each.offset, each.size) for each in found] == expected


def test_what_is_not_a_file(tmp_path: Path) -> None:
    out = io.BytesIO()
    kinds = {
        tarfile.SYMTYPE: "a symbolic link",
        tarfile.LNKTYPE: "a hard link",
        tarfile.CHRTYPE: "a device",
        tarfile.FIFOTYPE: "a pipe",
        tarfile.DIRTYPE: "a folder",
        b"Z": "an entry of an unknown kind",
    }
    with tarfile.open(fileobj=out, mode="w") as made:
        for kind in kinds:
            entry = tarfile.TarInfo("x" * 120)
            entry.type, entry.linkname = kind, "/etc/passwd" * 20
            made.addfile(entry)
        made.addfile(tarfile.TarInfo("last"))
    found, _ = entries(out.getvalue(), tmp_path)
    assert [each.kind for each in found] == [*kinds.values(), FILE]
    assert [each.name.rstrip("/") for each in found] == ["x" * 120] * len(kinds) + ["last"]


def of_pax(attributes: dict[str, str], name: str = "a") -> bytes:
    entry = tarfile.TarInfo(name)
    entry.pax_headers = attributes
    return entry.tobuf(tarfile.PAX_FORMAT) + bytes(1024)


def test_sparse_files_and_two_sizes(tmp_path: Path) -> None:
    found, _ = entries(of_pax({"GNU.sparse.major": "1"}), tmp_path)
    assert [each.kind for each in found] == ["a sparse file"]
    found, _ = entries(of_pax({"size": "512"}), tmp_path)
    assert [(each.kind, each.size) for each in found] == [
        ("a file of which the archive gives two sizes", 512)
    ]


def test_a_global_attribute_is_of_all_further_entries(tmp_path: Path) -> None:
    out = io.BytesIO()
    with tarfile.open(
        fileobj=out,
        mode="w",
        format=tarfile.PAX_FORMAT,
        pax_headers={"path": "all", "comment": "é"},
    ) as made:
        made.addfile(tarfile.TarInfo("a"))
        made.addfile(tarfile.TarInfo("ü" * 60))
    found, _ = entries(out.getvalue(), tmp_path)
    assert [each.name for each in found] == ["all", "ü" * 60]


def test_the_end_of_an_archive(tmp_path: Path) -> None:
    whole = archive([("a", b"1"), ("b", b"2")])
    assert not entries(whole, tmp_path)[1].no_end
    found, tar = entries(whole[:2048], tmp_path)
    assert len(found) == 2 and tar.no_end
    assert entries(b"", tmp_path)[1].no_end
    assert not entries(whole + bytes(5000), tmp_path)[1].more
    assert entries(whole + whole * 200, tmp_path)[1].more
    refused(whole[:1536], tmp_path, "is damaged at byte 1,024: it has 1,536 bytes, and ends before")
    refused(whole[:1100], tmp_path, "is damaged at byte 1,024: it ends in the middle of a header")


def header(**fields: bytes) -> bytes:
    """The header of a file with some fields replaced, and the right checksum for that."""
    places = {"name": 0, "size": 124, "kind": 156, "map": 482, "prefix": 345, "magic": 257}
    block = bytearray(tarfile.TarInfo("a").tobuf(tarfile.USTAR_FORMAT))
    for field, value in fields.items():
        block[places[field] : places[field] + len(value)] = value
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"nonsense" * 200, "is not a tar file; copy it, or make it again"),
        (b"\x1f\x8b" + bytes(1000), "is not a tar file: it is compressed, whatever its name"),
        (header(size=b"-0000000001\0"), "is not a tar file"),
        (archive([("a", b"")])[:512] + header(size=b"\xff" * 12), "the size of an entry is not a"),
        (archive([("a", b"")])[:512] + header(size=b"\x80" + b"\xff" * 11), "is not a number"),
        (bytes(header()) + header(size=b"77777777777\0"), "ends before its last file"),
        (header() + header(kind=b"x", size=b"00000000004\0") + b"9 ab" + bytes(2000), "as pax has"),
        (header() + header(kind=b"x", size=b"00000000004\0") + b"0 ab" + bytes(2000), "as pax has"),
        (header() + header(kind=b"L", size=b"00010000000\0") + bytes(3 << 20), "a name or attrib"),
        (header() + header(kind=b"L", size=b"00000000001\0") + b"n" + bytes(2047), "a long name"),
        (header(name=b"\xff.jpg") + bytes(1024), "a name in it is not UTF-8: b'.xff.jpg'"),
        (of_pax({"path": "a\0b"}), "a name in it has a zero byte"),
    ],
)  # fmt: skip
def test_headers_that_are_wrong(tmp_path: Path, data: bytes, said: str) -> None:
    refused(data, tmp_path, said)


def test_many_attributes_in_a_row_need_no_depth(tmp_path: Path) -> None:
    extra = header(kind=b"L", size=b"00000000001\0") + b"n" + bytes(511)
    found, _ = entries(extra * 5000 + header() + bytes(1024), tmp_path)
    assert [each.name for each in found] == ["n"]


def test_a_sparse_file_of_the_old_form_is_skipped_with_its_maps(tmp_path: Path) -> None:
    maps = bytes(504) + b"\1" + bytes(7) + bytes(512)
    old = header(kind=b"S", size=b"00000000003\0", map=b"\1") + maps + b"abc" + bytes(509)
    found, _ = entries(old + header() + bytes(1024), tmp_path)
    assert [(each.kind, each.offset) for each in found] == [("a sparse file", 1536), (FILE, 2560)]


def test_a_prefix_counts_in_ustar_alone(tmp_path: Path) -> None:
    for magic, name in ((b"ustar\0", "dir/a"), (b"ustar ", "a")):
        found, _ = entries(header(prefix=b"dir", magic=magic) + bytes(1024), tmp_path)
        assert [each.name for each in found] == [name]


def test_the_size_of_the_file_that_begins_at_a_byte(tmp_path: Path) -> None:
    path = tmp_path / "x.tar"
    path.write_bytes(archive([("a", b"12345"), ("b", b"1")]))
    assert [size_at(path, at) for at in (512, 1536, 0, 511, 513, 1024, 10**9)] == [
        *(5, 1),
        *[None] * 5,
    ]


@pytest.mark.parametrize("form", sorted(FORMATS))
def test_damaged_archives_are_refused_or_read(tmp_path: Path, form: str) -> None:
    rng, told = random.Random(form), 0
    folder = "long" * 30 if form != "ustar" else "d"
    whole = archive([(f"{folder}/é{n}.jpg", b"1" * n) for n in (1, 600, 3)], form)
    for _ in range(300):
        data = mutated(whole, rng)
        try:
            found, _tar = entries(data, tmp_path)
        except DataError as error:
            told += str(tmp_path) in str(error)
        else:
            assert all(0 < each.offset <= each.offset + each.size <= len(data) for each in found)
    assert told > 100
