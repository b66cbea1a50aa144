"""Serve style sheets, scripts and icons: compressed once, and cached for a year at an address with their digest."""

import gzip
import hashlib
import mimetypes
from dataclasses import dataclass
from pathlib import Path

from flask import Blueprint, Response, abort, request, url_for
from markupsafe import escape

from idp.web.colours import dark_scheme, deep_colour, light_scheme, on_colour
from idp.web.settings import UniversitySettings

FOLDER = Path(__file__).parent / "static"
ASSETS = "idp_assets"  # the key of an application's Assets in `app.extensions`
ONE_YEAR_S = 365 * 24 * 3600


@dataclass(frozen=True, slots=True)
class Asset:
    """A file as it is sent."""

    body: bytes
    compressed: bytes
    media_type: str
    digest: str

    @classmethod
    def of(cls, body: bytes, media_type: str) -> "Asset":
        # mtime=0: the same bytes on every machine behind a load balancer
        return cls(body, gzip.compress(body, 9, mtime=0), media_type, hashlib.sha256(body).hexdigest()[:16])


class Assets:
    """The files of `static/`, those that packages add, and two made from settings: `theme.css` and `mark.svg`."""

    def __init__(self, university: UniversitySettings) -> None:
        self._assets: dict[str, Asset] = {}
        self.add_folder(FOLDER)
        self._assets["theme.css"] = Asset.of(theme_css(university.accent_colour).encode(), "text/css; charset=utf-8")
        self._assets["mark.svg"] = Asset.of(mark_svg(university).encode(), "image/svg+xml")

    def add_folder(self, folder: Path) -> None:
        """Also serve the files of `folder`. Raises: ValueError if a name exists already."""
        for file in sorted(folder.iterdir()):
            if file.name in self._assets:
                raise ValueError(f"two assets are called {file.name}")
            if file.is_file():
                self._assets[file.name] = _read(file)

    def url(self, name: str) -> str:
        """Return the address of an asset, with its digest in it.

        Raises:  KeyError for a missing file, so that the test of a page fails
        """
        return url_for("assets.send", name=name, v=self._assets[name].digest)

    def blueprint(self) -> Blueprint:
        """Return the routes under `/static`."""
        routes = Blueprint("assets", __name__, url_prefix="/static")

        @routes.get("/<name>")
        def send(name: str) -> Response:
            asset = self._assets.get(name)
            if asset is None:
                abort(404)
            return _answer(asset)

        return routes

    def mark(self) -> Response:
        """Return the icon for browsers that request /favicon.ico, whatever the page names."""
        return _answer(self._assets["mark.svg"])


def _answer(asset: Asset) -> Response:
    response = Response(asset.body, content_type=asset.media_type)
    if request.accept_encodings["gzip"] > 0 and len(asset.compressed) < len(asset.body):
        response = Response(asset.compressed, content_type=asset.media_type)
        response.content_encoding = "gzip"
    response.vary.add("Accept-Encoding")
    response.set_etag(asset.digest)
    # Only an address with the digest of this content may be cached for long.
    if request.args.get("v") == asset.digest:
        response.cache_control.public = True
        response.cache_control.max_age = ONE_YEAR_S
        response.cache_control.immutable = True
    else:
        response.cache_control.no_cache = True
    response.make_conditional(request)
    return response


def theme_css(accent_colour: str) -> str:
    """Return the style sheet that sets the university's colours in both schemes."""
    light, dark = light_scheme(accent_colour), dark_scheme(accent_colour)
    deep, ink = deep_colour(accent_colour), on_colour(accent_colour)
    brand = f"--brand:{accent_colour};--brand-deep:{deep};--on-brand:{ink}"
    schemes = [
        f"--accent:{one.accent};--on-accent:{one.on_accent};"
        f"--accent-hover:{one.accent_hover};--accent-soft:{one.accent_soft}"
        for one in (light, dark)
    ]
    return f":root{{{brand};{schemes[0]}}}\n@media (prefers-color-scheme:dark){{:root{{{schemes[1]}}}}}\n"


def mark_svg(university: UniversitySettings) -> str:
    """Return the icon of the browser's tab: the short name on the university's colour."""
    text = str(escape(university.short_name[:3]))
    colour, ink = university.accent_colour, on_colour(university.accent_colour)
    size = {1: 36, 2: 30}.get(len(university.short_name[:3]), 23)
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 64 64">'
        f'<path d="M6 4h52a2 2 0 0 1 2 2v30c0 14-12 21-28 26C16 57 4 50 4 36V6a2 2 0 0 1 2-2z" fill="{colour}"/>'
        f'<text x="32" y="{27 + size // 3}" font-family="Georgia,serif" font-weight="700" font-size="{size}" '
        f'text-anchor="middle" fill="{ink}">{text}</text></svg>'
    )


def _read(file: Path) -> Asset:
    media_type = mimetypes.guess_type(file.name)[0] or "application/octet-stream"
    if media_type.startswith("text/"):
        media_type += "; charset=utf-8"
    return Asset.of(file.read_bytes(), media_type)
