"""The fees application's own settings file, named by IDP_FEES_CONFIG: `[web]`, `[university]`, `[fees]` and `[cas]`."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, field_validator

from idp.errors import InvalidInput
from idp.fees.account_numbers import check_bank_code
from idp.settings import FEES_PREFIX, Adds, Joined, PostgresqlUrl, Section, load
from idp.web.settings import UniversitySettings, WebSettings


class FeesWebSettings(WebSettings):
    """`[web]`: the server of the pages. Another host name than the sign-in service's keeps its cookies away."""

    base_url: Annotated[str, "Address that browsers use, without a slash at the end."] = "http://localhost:8081"
    port: Annotated[int, "Port to listen on.", Field(ge=1, le=65535)] = 8081
    workers: Annotated[int, "Web processes.", Field(ge=1)] = 1


class AccountKind(Section):
    """`[fees.kinds.NAME]`: one kind of individual account; a student has one number of each kind."""

    prefix: Annotated[str, "Digits that the bank fixed after its code.", Field(pattern=r"^[0-9]{4,8}$")] = "7777"
    currency: Annotated[Literal["PLN", "EUR"], "Currency of the account."] = "PLN"
    name: Annotated[dict[str, str], "What is paid to it, in each language."] = {
        "pl": "Opłaty za studia i usługi edukacyjne",
        "en": "Fees for studies and educational services",
    }


class FeesSettings(Section):
    """`[fees]`: database, account numbers, and what the student's page says."""

    folder: Annotated[Path, "Folder of the SQLite file fees.db and of the key that signs forms."] = Path("fees")
    postgresql_url: Annotated[
        PostgresqlUrl | None,
        "postgresql://user:password@host/database; given, it replaces the SQLite file. To another machine it needs"
        " ?sslmode=verify-full and sslrootcert.",
    ] = None
    busy_timeout_s: Annotated[float, "Seconds that a writer waits for another one before it gives up."] = 15.0
    bank_code: Annotated[str, "The bank's 8 digits, the last one being their check digit."] = "99900009"
    kinds: Annotated[
        dict[str, AccountKind], "Kinds of individual accounts by name; `idp fees students` opens them."
    ] = {"fees": AccountKind()}
    recipient: Annotated[str, "Recipient of the transfer: name and address."] = (
        "Politechnika Opolska, ul. Prószkowska 76, 45-758 Opole"
    )
    bad_rows_share: Annotated[
        float, "A registry file with a larger share of bad rows is refused whole.", Field(ge=0, le=1)
    ] = 0.05
    bad_rows_floor: Annotated[int, "So few bad rows never refuse a file.", Field(ge=0)] = 20
    session_s: Annotated[int, "Seconds after which a signed-in page asks CAS again.", Field(ge=60)] = 7200

    @field_validator("bank_code")
    @classmethod
    def _bank_code_checks(cls, code: str) -> str:
        try:
            return check_bank_code(code)
        except InvalidInput as mistake:
            raise ValueError(str(mistake)) from None


class CasSettings(Section):
    """`[cas]`: the sign-in service."""

    server_url: Annotated[str, "Address of CAS, with the slash at its end.", Field(pattern=r"^https?://.+/$")] = (
        "http://127.0.0.1:8080/cas/"
    )
    album_attribute: Annotated[str, "Attribute in which CAS tells the album number."] = "album"
    language_parameter: Annotated[str, "Parameter that tells CAS the page's language; empty: not told."] = "locale"
    timeout_s: Annotated[float, "Seconds to wait for CAS.", Field(gt=0)] = 3.0
    extra_ca_files: Annotated[list[Path], Adds(), "Certificates trusted for CAS beside the system's."] = []


class Settings(Joined):
    """All sections of the fees application's settings file."""

    web: FeesWebSettings = FeesWebSettings()
    university: UniversitySettings = UniversitySettings()
    fees: FeesSettings = FeesSettings()
    cas: CasSettings = CasSettings()


SECTIONS: Mapping[str, type[Section]] = {
    name: field.annotation
    for name, field in Settings.model_fields.items()
    if isinstance(field.annotation, type) and issubclass(field.annotation, Section)
}


def load_settings() -> Settings:
    """Return the settings that IDP_FEES_CONFIG and IDP_FEES_<SECTION>__<FIELD> name.

    Raises:  ConfigError with every mistake at once
    """
    return load(Settings, prefix=FEES_PREFIX)
