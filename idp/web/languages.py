"""Choose the language of a page: the reader's choice, otherwise the application's or browser's preference."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from flask import Flask, Response, current_app, g, request
from flask_babel import Babel, get_locale, get_translations

from idp.web.settings import UniversitySettings

LANGUAGES = {"pl": "Polski", "en": "English"}
LOCALES = {"pl": "pl", "en": "en_GB"}  # for dates and money: English as written in Europe
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

    # Babel's own callables look the language up at every text, which was a tenth of a page.
    app.jinja_env.install_gettext_callables(  # type: ignore[attr-defined] # of the extension that Babel adds
        gettext=lambda text: _translations().ugettext(text),
        ngettext=lambda one, many, number: _translations().ungettext(one, many, number),
        newstyle=True,
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


def _translations() -> Any:
    """Return the translations of this request."""
    if "translations" not in g:
        g.translations = get_translations()
    return g.translations


def catalogues() -> list[Path]:
    """Return the folders of translations. Each package with texts has its own."""
    return sorted(Path(__file__).parents[1].glob("*/i18n"))


def chosen_language(default: str) -> str:
    """Return the language of this request.

    `?lang=` (the switch on every page) comes first, then the earlier choice, then `?locale=` (with it, an application
    such as USOSweb names its language at sign-in), then the browser's preference.
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
    """Return the address of this page in another language, or of the front page if this page answers no GET."""
    path = page_path()
    if not path:
        return "/?" + urlencode({"lang": language})
    query = [(key, value) for key, value in request.args.items(multi=True) if key != "lang"]
    return path + "?" + urlencode([*query, ("lang", language)])


def page_path() -> str:
    """Return the path of this page for a link; "" if this page answers no GET."""
    # Checks all rules: the GET and the POST of one form may have different rules.
    adapter = current_app.create_url_adapter(request)
    if adapter is None or "GET" not in adapter.allowed_methods():
        return ""
    return quote(request.path, safe="/")  # encoded again, because browsers read `/\host` as another host


def text_in(texts: Mapping[str, str], language: str, default: str) -> str:
    """Return the text in this language of a setting with a text per language, or the nearest one."""
    return texts.get(language) or texts.get(default) or next(iter(texts.values()), "")
