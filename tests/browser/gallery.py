"""Pages that show every part of macros.html with invented content: for axe, for the eye, without a service behind."""

from pathlib import Path

from flask import Blueprint, Flask, flash, render_template

from idp.clock import Clock
from idp.web.plumbing import new_flask
from idp.web.settings import UniversitySettings, WebSettings

PAGES = ("sign_in", "home", "form", "table", "parts")


def gallery(base_url: str, accent_colour: str = "#00539b") -> Flask:
    """Return an application whose pages are `/<name>` for each of PAGES."""
    university = UniversitySettings(accent_colour=accent_colour)
    app = new_flask("eStudent", WebSettings(base_url=base_url), university, [b"gallery" * 5], Clock(), "idp_gallery")
    pages = Blueprint("gallery", __name__, template_folder=str(Path(__file__).parent / "gallery_pages"))

    @pages.get("/")
    @pages.get("/<name>")
    def show(name: str = "home") -> str:
        if name == "parts":
            flash("Zapisano nową nazwę skrzynki.", "success")
            flash("Nie udało się wysłać wiadomości.", "error")
        visitor = {"name": "", "sign_out_url": "/", "sign_in_url": "/sign_in"}
        if name in ("home", "table"):
            visitor["name"] = "Żaneta Źdźbło-Ćwik"
        return render_template(f"{name}.html", visitor=visitor)

    app.register_blueprint(pages)
    return app


if __name__ == "__main__":
    import sys

    gallery("http://127.0.0.1:5099", *sys.argv[1:]).run(port=5099)
