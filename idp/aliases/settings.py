"""`[aliases]`: which mail names students may not choose, and how many are proposed."""

from typing import Annotated

from pydantic import Field

from idp.settings import Section

RESERVED = [
    # RFC 2142, and the names to which certificate issuers write (CA/Browser Forum BR 3.2.2.4.4)
    *[
        "info",
        "marketing",
        "sales",
        "support",
        "abuse",
        "noc",
        "security",
        "postmaster",
        "hostmaster",
        "usenet",
        "news",
        "webmaster",
        "www",
        "uucp",
        "ftp",
    ],
    *[
        "admin",
        "administrator",
        "root",
        "mailer-daemon",
        "nobody",
        "noreply",
        "no-reply",
        "ssladmin",
        "sysadmin",
        "webadmin",
    ],
    *["autodiscover", "autoconfig", "*-request"],
    # words of programs
    *[
        "null",
        "undefined",
        "none",
        "nan",
        "api",
        "system",
        "localhost",
        "anonymous",
        "guest",
        "test",
        "login",
        "sso",
        "mail",
    ],
    # offices and roles
    *[
        "rektor",
        "prorektor",
        "kanclerz",
        "dziekan",
        "prodziekan",
        "dziekanat",
        "bos",
        "cos",
        "rekrutacja",
        "kwestura",
        "it",
        "helpdesk",
    ],
    *["estudent", "usos", "usosweb", "samorzad", "starosta", "starosta-*"],
]
# Compared with whole words only: "Cassius" is a name.
OFFENSIVE = [
    *[
        "kurwa",
        "kurwy",
        "chuj",
        "huj",
        "pizda",
        "cipa",
        "kutas",
        "fiut",
        "jebac",
        "jebany",
        "pierdol",
        "pierdole",
        "skurwysyn",
        "dziwka",
        "suka",
        "pedal",
    ],
    *[
        "ciota",
        "debil",
        "idiota",
        "kretyn",
        "szmata",
        "gowno",
        "dupa",
        "dupek",
        "cwel",
        "murzyn",
        "zydek",
        "hitler",
        "heil",
        "nazi",
    ],
    *[
        "fuck",
        "fucker",
        "fucking",
        "motherfucker",
        "shit",
        "bullshit",
        "cunt",
        "bitch",
        "bastard",
        "asshole",
        "arsehole",
        "dick",
        "dickhead",
        "cock",
    ],
    *[
        "pussy",
        "slut",
        "whore",
        "wanker",
        "twat",
        "nigger",
        "nigga",
        "faggot",
        "fag",
        "retard",
        "rapist",
        "penis",
        "vagina",
        "sex",
        "porn",
    ],
]


class AliasSettings(Section):
    """`[aliases]`: lists replace the defaults, so copy what you want to keep."""

    reserved: Annotated[
        list[str], "Mail names that nobody may choose, nor anything that looks like them; `*` stands for any text."
    ] = RESERVED
    staff_names: Annotated[list[str], "Mail names of persons whom nobody may imitate, such as the rector's."] = []
    offensive: Annotated[
        list[str], "Words that no chosen name may hold; a word of one's own name is always allowed."
    ] = OFFENSIVE
    allowed: Annotated[list[str], "Mail names that may be chosen although a list refuses them."] = []
    proposals: Annotated[int, "How many names are proposed.", Field(ge=1, le=12)] = 4
