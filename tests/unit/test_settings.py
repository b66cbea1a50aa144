"""Settings: layers, merging, paths, mistakes."""

from pathlib import Path
from typing import Annotated

import pytest

from idp.errors import ConfigError
from idp.settings import Adds, Joined, Section, example, load


class Throttle(Section):
    """A table inside a section."""

    enabled: Annotated[bool, "Whether tries are slowed down."] = True
    factor: Annotated[float, "Growth of the delay."] = 2.0


class Sso(Section):
    """`[sso]` of this test."""

    captcha: Annotated[str, "When the CAPTCHA is asked."] = "adaptive"
    throttle: Annotated[Throttle, "The throttle."] = Throttle()


class Cas(Section):
    """`[cas]` of this test."""

    dirs: Annotated[list[Path], Adds(), "Folders of registered applications."] = []
    codes: Annotated[list[int], "A list that replaces."] = [1]
    key_file: Annotated[Path | None, "A file."] = None


class Everything(Joined):
    """Both sections."""

    sso: Sso = Sso()
    cas: Cas = Cas()


def written(folder: Path, name: str, text: str) -> str:
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / name
    file.write_text(text, encoding="utf-8")
    return str(file)


def test_without_a_file_the_defaults_hold() -> None:
    assert load(Everything, {}) == Everything()


def test_the_extra_file_overlays_and_the_environment_overrides_both(tmp_path: Path) -> None:
    base = written(tmp_path, "base.toml", '[sso]\ncaptcha = "always"\n[sso.throttle]\nenabled = true\nfactor = 3.0\n')
    extra = written(tmp_path, "extra.toml", "[sso.throttle]\nenabled = false\n")
    environment = {"IDP_CONFIG": base, "IDP_CONFIG_EXTRA": extra, "IDP_SSO__THROTTLE__FACTOR": "4.5"}

    settings = load(Everything, environment)

    assert settings.sso == Sso(captcha="always", throttle=Throttle(enabled=False, factor=4.5))


def test_values_and_lists_replace_but_a_list_marked_so_adds(tmp_path: Path) -> None:
    base = written(tmp_path, "base.toml", '[cas]\ndirs = ["one"]\ncodes = [1, 2]\n')
    extra = written(tmp_path, "extra.toml", '[cas]\ndirs = ["two"]\ncodes = [3]\n')

    settings = load(Everything, {"IDP_CONFIG": base, "IDP_CONFIG_EXTRA": extra})

    assert settings.cas.dirs == [tmp_path / "one", tmp_path / "two"]
    assert settings.cas.codes == [3]


def test_a_relative_path_is_relative_to_the_file_that_holds_it(tmp_path: Path) -> None:
    base = written(tmp_path / "a", "base.toml", '[cas]\nkey_file = "keys/one"\n')
    extra = written(tmp_path / "b", "extra.toml", '[cas]\ndirs = ["applications", "/etc/applications"]\n')

    settings = load(Everything, {"IDP_CONFIG": base, "IDP_CONFIG_EXTRA": extra})

    assert settings.cas.key_file == tmp_path / "a" / "keys" / "one"
    assert settings.cas.dirs == [tmp_path / "b" / "applications", Path("/etc/applications")]


def test_a_list_in_the_environment_is_json() -> None:
    settings = load(Everything, {"IDP_CAS__CODES": "[7, 8]", "IDP_CAS__DIRS": '["/a"]'})

    assert settings.cas.codes == [7, 8]
    assert settings.cas.dirs == [Path("/a")]


def test_all_mistakes_are_shown_together_and_without_their_values(tmp_path: Path) -> None:
    base = written(tmp_path, "base.toml", '[sso]\ncolour = "secret"\n[cas]\ncodes = "hush"\n[nonsense]\na = 1\n')

    with pytest.raises(ConfigError) as refused:
        load(Everything, {"IDP_CONFIG": base})

    text = str(refused.value)
    assert "sso.colour: unknown key" in text
    assert "nonsense: unknown key" in text
    assert "cas.codes" in text
    assert "hush" not in text


def test_an_unknown_key_in_the_environment_is_a_mistake() -> None:
    with pytest.raises(ConfigError, match=r"sso\.colour: unknown key"):
        load(Everything, {"IDP_SSO__COLOUR": "red"})


@pytest.mark.parametrize("text", ["not toml [", "[cas]\ncodes = [", "\udcff"])
def test_a_file_that_is_no_toml_is_named(tmp_path: Path, text: str) -> None:
    file = tmp_path / "broken.toml"
    file.write_bytes(text.encode("utf-8", "surrogateescape"))

    with pytest.raises(ConfigError, match=r"broken\.toml"):
        load(Everything, {"IDP_CONFIG": str(file)})


def test_a_missing_file_is_named() -> None:
    with pytest.raises(ConfigError, match=r"IDP_CONFIG=/nowhere/idp\.toml"):
        load(Everything, {"IDP_CONFIG": "/nowhere/idp.toml"})


def test_the_example_lists_every_setting_with_its_sentence_and_is_toml(tmp_path: Path) -> None:
    text = example({"sso": Sso, "cas": Cas})

    assert '# When the CAPTCHA is asked.\n#captcha = "adaptive"' in text
    assert "[sso.throttle]" in text
    file = written(tmp_path, "example.toml", text)
    assert load(Everything, {"IDP_CONFIG": file}) == Everything()
