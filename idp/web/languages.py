"""Which language a page speaks: the one chosen, else the one that the application or the browser asks for."""

from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote, urlencode

from flask import Flask, Response, current_app, request
from flask_babel import Babel, get_locale

from idp.web.settings import UniversitySettings

LANGUAGES = {"pl": "Polski", "en": "English"}
LOCALES = {"pl": "pl", "en": "en_GB"}  # of dates and money: English as Europe writes it
COOKIE = "idp_language"
_ONE_YEAR_S = 365 * 24 * 3600


def speak(app: Flask, university: UniversitySettings, is_https: bool) -> None:
    """Translate the pages of `app`, and give its templates `language`, `page_url_in(code)` and `in_language(texts)`."""
    Babel(
        app,
        default_locale=LOCALES[university.default_language],
        default_timezone=university.time_zone,
        default_translation_directories=";".join(str(folder) for folder in catalogues()),
        locale_selector=lambda: LOCALES[chosen_language(university.default_language)],
    )

    def in_language(texts: Mapping[str, str]) -> str:
        return text_in(texts, current_language(), university.default_language)

    @app.context_processor
    def language() -> dict[str, str]:
        return {"language": current_language()}

    @app.after_request
    def remember(response: Response) -> Response:
        if (asked := request.args.get("lang")) in LANGUAGES and request.cookies.get(COOKIE) != asked:
            response.set_cookie(
                COOKIE, asked, max_age=_ONE_YEAR_S, secure=is_https, httponly=True, samesite="Lax", path="/"
            )
        return response

    app.jinja_env.globals.update(languages=LANGUAGES, page_url_in=page_url_in, in_language=in_language)


def catalogues() -> list[Path]:
    """Return the folders of translations: each package that has texts keeps its own."""
    return sorted(Path(__file__).parents[1].glob("*/i18n"))


def chosen_language(default: str) -> str:
    """Return the language of this request.

    `?lang=` (the switch on every page), then what was chosen before, then `?locale=` (an application that sends
    somebody to sign in names its own language so, as USOSweb does), then the browser's wish.
    """
    for wish in (request.args.get("lang"), request.cookies.get(COOKIE), request.args.get("locale")):
        if wish in LANGUAGES:
            return str(wish)
    return request.accept_languages.best_match(list(LANGUAGES), default) or default


def current_language() -> str:
    """Return "pl" or "en"."""
    locale = get_locale()
    return locale.language if locale else "en"


def page_url_in(language: str) -> str:
    """Return the address of this page in another language; of the front page where this one answers no GET."""
    path = page_path()
    if not path:
        return "/?" + urlencode({"lang": language})
    query = [(key, value) for key, value in request.args.items(multi=True) if key != "lang"]
    return path + "?" + urlencode([*query, ("lang", language)])


def page_path() -> str:
    """Return the path of this page for a link; "" where this one answers no GET."""
    # Asked of all rules: the GET and the POST of one form may be two.
    adapter = current_app.create_url_adapter(request)
    if adapter is None or "GET" not in adapter.allowed_methods():
        return ""
    return quote(request.path, safe="/")  # encoded again, since browsers read `/\host` as another host


def text_in(texts: Mapping[str, str], language: str, default: str) -> str:
    """Return the text of a setting that has one per language, or the nearest that there is."""
    return texts.get(language) or texts.get(default) or next(iter(texts.values()), "")
