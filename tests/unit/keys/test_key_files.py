"""Key files: one series per purpose, rotated without losing what older keys made."""

from pathlib import Path

import pytest

from idp.errors import ConfigError
from idp.files import create_private
from idp.keys.key_files import (
    FOR_EVER,
    Keys,
    Purpose,
    create_missing_keys,
    load_keys,
    rotate_keys,
)
from idp.keys.settings import KeysSettings
from tests.support.actors import SHELL
from tests.support.keys import key_set, shared_keys


@pytest.fixture
def settings(tmp_path: Path) -> KeysSettings:
    settings = KeysSettings(folder=tmp_path / "keys")
    create_missing_keys(settings)
    return settings


def test_setup_makes_one_key_for_each_purpose_and_touches_none_that_is_there(settings: KeysSettings) -> None:
    files = sorted(settings.folder.iterdir())

    assert [file.name for file in files] == sorted(f"{purpose}.0001.key" for purpose in Purpose)
    assert {file.stat().st_mode & 0o777 for file in files} == {0o600}
    assert create_missing_keys(settings) == []


def test_a_rotated_key_opens_what_the_old_one_sealed(settings: KeysSettings) -> None:
    old = load_keys(settings).seal("Łukasz")
    rotate_keys(settings, [Purpose.SEALING], SHELL)
    keys = load_keys(settings)
    new = keys.seal("Łukasz")

    assert (old.partition(":")[0], new.partition(":")[0]) == ("0001", "0002")
    assert (keys.unseal(old), keys.unseal(new)) == ("Łukasz", "Łukasz")


def test_a_process_that_runs_on_opens_what_a_newer_key_sealed(settings: KeysSettings) -> None:
    running = load_keys(settings)
    rotate_keys(settings, [Purpose.SEALING], SHELL)

    assert running.unseal(load_keys(settings).seal("Łukasz")) == "Łukasz"


def test_a_half_restored_folder_does_not_change_the_keys_of_a_process_that_runs_on(settings: KeysSettings) -> None:
    running = load_keys(settings)
    sealed = running.seal("Łukasz")
    rotate_keys(settings, [Purpose.SEALING], SHELL)
    newer = load_keys(settings).seal("Łukasz")
    (settings.folder / "sealing.0001.key").unlink()
    (settings.folder / "web.0001.key").unlink()

    with pytest.raises(ConfigError, match="no key for web"):
        running.unseal(newer)
    assert running.unseal(sealed) == "Łukasz"


@pytest.mark.parametrize("purpose", sorted(FOR_EVER))
def test_keys_that_stored_values_depend_on_never_change(settings: KeysSettings, purpose: Purpose) -> None:
    with pytest.raises(ConfigError, match="never change"):
        rotate_keys(settings, [purpose], SHELL)


def test_signatures_of_older_journal_keys_hold_after_a_rotation(settings: KeysSettings) -> None:
    key_id, signature = load_keys(settings).sign(b"head")
    rotate_keys(settings, [Purpose.JOURNAL], SHELL)
    keys = load_keys(settings)

    assert keys.is_signed(b"head", key_id, signature)
    assert not keys.is_signed(b"another", key_id, signature)
    assert keys.sign(b"head")[0] == "0002"


def test_a_missing_purpose_is_named() -> None:
    with pytest.raises(ConfigError, match="no key for journal"):
        Keys([key for key in key_set() if key.purpose is not Purpose.JOURNAL])


def test_keys_that_are_not_there_are_restored_first(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"/keys: No such file or directory\. Restore your keys from backup\."):
        load_keys(KeysSettings(folder=tmp_path / "keys"))


def test_what_another_key_sealed_does_not_open() -> None:
    keys = shared_keys()
    sealed = keys.seal("secret")

    with pytest.raises(ConfigError, match=r"sealing\.0001\.key"):
        keys.unseal(sealed[:-4] + "AAAA")
    with pytest.raises(ConfigError, match="restore your keys"):
        keys.unseal(sealed.replace("0001:", "0009:"))


def test_pairwise_names_differ_for_each_application() -> None:
    keys = shared_keys()

    assert keys.pairwise("fees", "p1") == keys.pairwise("fees", "p1")
    assert len({keys.pairwise("fees", "p1"), keys.pairwise("usosweb", "p1"), keys.pairwise("fees", "p2")}) == 3


@pytest.mark.parametrize("purpose", list(Purpose))
@pytest.mark.parametrize("content", [b"", b"abc\n"])
def test_a_file_that_is_not_a_whole_key_is_refused_and_kept(
    settings: KeysSettings, purpose: Purpose, content: bytes
) -> None:
    file = settings.folder / f"{purpose}.0001.key"
    file.write_bytes(content)

    with pytest.raises(ConfigError, match=f"{purpose}.0001.key is not a whole key"):
        load_keys(settings)
    with pytest.raises(ConfigError):
        create_missing_keys(settings)
    assert file.read_bytes() == content


def test_a_key_file_is_whole_or_not_there(tmp_path: Path) -> None:
    file = tmp_path / "one.key"
    create_private(file, b"secret")

    with pytest.raises(FileExistsError):
        create_private(file, b"another")
    assert [(each.name, each.read_bytes()) for each in tmp_path.iterdir()] == [("one.key", b"secret")]
