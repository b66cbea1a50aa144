"""`[accounts]`: what a claim asks, what a password must be, how long links work."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from idp.settings import Section


class Detail(StrEnum):
    """What a claim may ask beside the album number; the words are the names of the form's fields."""

    GIVEN_NAME = "given_name"
    SURNAME = "surname"
    DATE_OF_BIRTH = "date_of_birth"
    ID_END = "id_end"


class AccountsSettings(Section):
    """`[accounts]`: the university decides what proves who somebody is."""

    claim_details: Annotated[
        list[Detail],
        "What must match beside the album number. id_end: last four characters of PESEL or document.",
        Field(min_length=1),
    ] = list(Detail)
    claim_attempts_per_day: Annotated[int, "Attempts per album number and day, right ones included.", Field(ge=1)] = 5
    claim_network_failures_per_day: Annotated[
        int,
        "Failed claims from one network (see sso.throttle) on one day; then it waits for the next.",
        Field(ge=1),
    ] = 30
    claim_step_s: Annotated[float, "Seconds from matching details to the chosen password.", Field(gt=0)] = 1800.0
    password_min_length: Annotated[
        int, "Characters that a password must have at least (NIST SP 800-63B-4).", Field(ge=8)
    ] = 15
    password_words: Annotated[
        list[str], "Words that no password may hold: the university's and its services' names."
    ] = ["politechnika", "opolska", "estudent", "usosweb"]
    argon2_memory_kib: Annotated[int, "Memory for hashing one password.", Field(ge=8192)] = 19456
    argon2_time_cost: Annotated[int, "Passes over that memory.", Field(ge=1)] = 2
    argon2_parallelism: Annotated[int, "Lanes.", Field(ge=1)] = 1
    invitation_s: Annotated[float, "Seconds that a staff invitation works.", Field(gt=0)] = 7 * 24 * 3600.0
