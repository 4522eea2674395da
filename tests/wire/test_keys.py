"""Key files: who can read them, what is in them, and what is refused."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pushfit import endpoint
from pushfit.commands import keys as keys_command
from pushfit.errors import ConfigError
from pushfit.wire import keys
from pushfit.wire.admission import LOCAL, Admission


@pytest.fixture
def folder(tmp_path: Path) -> keys.KeyFolder:
    made = keys.KeyFolder(tmp_path / "keys", make=True)
    made.make("gpu2")
    return made


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_files_are_private_from_their_first_moment_whatever_the_umask(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[str, int]] = []
    opened = os.open

    def watching(path: Path, flags: int, *mode_: int, **more: object) -> int:
        descriptor = opened(path, flags, *mode_, **more)  # type: ignore[arg-type]
        if flags & os.O_CREAT:
            seen.append((Path(path).name, stat.S_IMODE(os.fstat(descriptor).st_mode)))
        return descriptor

    monkeypatch.setattr(os, "open", watching)
    old = os.umask(0)
    try:
        made = keys.KeyFolder(tmp_path / "keys", make=True)
        made.make("gpu2")
    finally:
        os.umask(old)
    assert len(seen) == 3 and {found for _, found in seen} == {0o600}
    for path in (made.path, made.admitted, made.revoked):
        assert mode(path) == 0o700
    assert mode(made.path / "trainer.key") == mode(made.path / "gpu2.key") == 0o600
    assert sorted(path.name for path in made.path.iterdir()) == [
        "admitted", "gpu2.key", "revoked", "trainer.key",
    ]  # fmt: skip


def test_a_generators_one_file_holds_all_it_needs(folder: keys.KeyFolder) -> None:
    key = keys.read_secret(folder.path / "gpu2.key", keys.GeneratorKey)
    assert (key.name, key.trainer) == ("gpu2", folder.trainer.public)
    assert folder.public("gpu2") == keys.raw(key.public)
    assert key.secret not in repr(key) and folder.trainer.secret not in repr(folder.trainer)


@pytest.mark.parametrize("bits", [0o640, 0o604, 0o620, 0o601])
def test_a_key_that_others_can_reach_is_refused_with_the_chmod(
    folder: keys.KeyFolder, bits: int
) -> None:
    path = folder.path / "gpu2.key"
    path.chmod(bits)
    with pytest.raises(ConfigError, match=f"chmod 600 {path}"):
        keys.read_secret(path, keys.GeneratorKey)


def test_a_folder_that_others_can_reach_is_refused_with_the_chmod(folder: keys.KeyFolder) -> None:
    for each in (folder.path, folder.admitted):
        each.chmod(0o750)
        with pytest.raises(ConfigError, match=f"chmod 700 {each}"):
            keys.KeyFolder(folder.path)
        each.chmod(0o700)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file to another user")
def test_a_key_of_another_user_is_refused(folder: keys.KeyFolder) -> None:
    path = folder.path / "gpu2.key"
    os.chown(path, 12345, -1)
    with pytest.raises(ConfigError, match=r"belongs to another user \(uid 12345\).*chown"):
        keys.read_secret(path, keys.GeneratorKey)


def test_what_is_no_key_file_is_refused_and_not_shown(folder: keys.KeyFolder) -> None:
    path = folder.path / "gpu2.key"
    whole = path.read_bytes()
    other = keys.new_pair("x")
    secret = keys.read_secret(path, keys.GeneratorKey).secret
    for content in (b"", b"{}", whole[:-9], whole.replace(secret.encode(), other.secret.encode())):
        path.write_bytes(content)
        with pytest.raises(ConfigError, match="is not a generator's key file") as caught:
            keys.read_secret(path, keys.GeneratorKey)
        assert secret not in str(caught.value) and other.secret not in str(caught.value)
    with pytest.raises(ConfigError, match="cannot be read: No such file"):
        keys.read_secret(path.with_name("none"), keys.GeneratorKey)
    with pytest.raises(ConfigError, match="is not a file"):
        keys.read_secret(folder.admitted, keys.GeneratorKey)


@given(st.binary(max_size=300))
def test_any_bytes_are_a_key_or_a_config_error(content: bytes) -> None:
    for kind in (keys.KeyPair, keys.GeneratorKey, keys.PublicKey):
        with pytest.raises(ConfigError):
            keys.decode(content, kind, Path("some.key"))


def test_names_are_unique_for_ever_and_cannot_leave_the_folder(folder: keys.KeyFolder) -> None:
    with pytest.raises(ConfigError, match="has a key already"):
        folder.make("gpu2")
    folder.revoke("gpu2")
    assert not (folder.path / "gpu2.key").exists()
    assert list(folder.names(folder.revoked)) == ["gpu2"]
    with pytest.raises(ConfigError, match="is revoked already"):
        folder.revoke("gpu2")
    with pytest.raises(ConfigError, match="names are not used twice"):
        folder.make("gpu2")
    for name in ("trainer", "../x", "a/b", "", ".hidden", "x" * 65, "é", "a\n"):
        with pytest.raises(ConfigError, match="cannot be the name of a key"):
            folder.make(name)
        with pytest.raises(ConfigError, match="cannot be the name of a key"):
            folder.revoke(name)


def test_the_command_makes_lists_and_revokes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    where = ["--keys", str(tmp_path / "keys")]
    with pytest.raises(ConfigError, match=r"there are no keys in .*pushfit keys make NAME"):
        keys_command.main(["list", *where])
    keys_command.main(["make", "a", "b", *where])
    keys_command.main(["revoke", "a", *where])
    capsys.readouterr()
    keys_command.main(["list", *where])
    assert capsys.readouterr().out.split() == ["admitted", "b", "revoked", "a"]
    with pytest.raises(ConfigError, match="needs a NAME"):
        keys_command.main(["make", *where])


def asked(admission: Admission, public: bytes, mechanism: bytes = b"CURVE") -> bytes:
    request = [b"1.0", b"7", b"", b"10.0.0.9", b"", mechanism, public]
    version, number, status, *_ = admission.answer(request)
    assert (version, number) == (b"1.0", b"7")
    return status


def test_keys_made_and_revoked_in_the_run_count_at_once(folder: keys.KeyFolder) -> None:
    admission = Admission(keys.KeyFolder(folder.path))
    first = folder.public("gpu2")
    stranger = keys.raw(keys.new_pair("x").public)
    assert asked(admission, first) == b"200"
    assert asked(admission, stranger) == asked(admission, first, b"PLAIN") == b"400"
    assert admission.refusals == [("10.0.0.9", "its key is not admitted")] * 2
    folder.make("gpu3")
    third = folder.public("gpu3")
    folder.revoke("gpu2")
    assert asked(admission, third) == b"200"
    assert asked(admission, first) == b"400"
    assert admission.refusals[-1].why == "its key, gpu2, was revoked"
    assert admission.admits("gpu3") and not admission.admits("gpu2")
    admission.refused["gpu3"] = None  # it erred too often
    assert asked(admission, third) == b"400" and not admission.admits("gpu3")
    assert admission.refusals[-1].why == "its key, gpu3, is refused for the rest of this run"
    assert not admission.admits(LOCAL)
    admission.admit_local(stranger)
    assert asked(admission, stranger) == b"200" and admission.admits(LOCAL)
    assert admission.answer([b"1.0", b"7"])[2] == b"400"


def test_a_broken_public_key_admits_nobody_and_harms_nobody(folder: keys.KeyFolder) -> None:
    (folder.admitted / "broken.pub").write_text("nonsense")
    os.mkfifo(folder.admitted / "fifo.pub")
    admission = Admission(folder)
    assert asked(admission, folder.public("gpu2")) == b"200"
    assert not admission.admits("broken")


@pytest.mark.parametrize("host", ["0.0.0.0", "*", "[::]", "10.0.0.5", "gpu-box", "[fe80::1]"])
def test_a_bind_beyond_this_host_needs_keys_or_a_word(host: str) -> None:
    bind = endpoint.parse(f"tcp://{host}:12001", bind=True)
    with pytest.raises(ConfigError, match=r"pushfit keys make NAME.*--keys keys.*--insecure"):
        keys.check_bind(bind, "", insecure=False)
    keys.check_bind(bind, "keys", insecure=False)
    keys.check_bind(bind, "", insecure=True)
    with pytest.raises(ConfigError, match="exclude each other"):
        keys.check_bind(bind, "keys", insecure=True)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "localhost", "[::1]"])
def test_a_bind_to_this_host_needs_none(host: str) -> None:
    keys.check_bind(endpoint.parse(f"tcp://{host}:12001", bind=True), "", insecure=False)
