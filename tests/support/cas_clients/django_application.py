"""A Django application that signs in by django-cas-ng, as its manual says: `python -m … PORT CAS_URL CA FOLDER`."""

import sys
from pathlib import Path
from socketserver import ThreadingMixIn
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import django
from django.conf import settings
from django.core.handlers.wsgi import WSGIHandler
from django.core.management import call_command

APPLICATIONS = ("contenttypes", "auth", "sessions", "messages")


def configure(cas_url: str, authority: str, folder: Path) -> None:
    """Declare what a project's settings.py holds."""
    settings.configure(
        SECRET_KEY="only for tests",
        ALLOWED_HOSTS=["localhost"],
        ROOT_URLCONF="tests.support.cas_clients.django_pages",
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": folder / "django.sqlite"}},
        INSTALLED_APPS=[*(f"django.contrib.{name}" for name in APPLICATIONS), "django_cas_ng"],
        # All tables at once instead of one migration after the other.
        MIGRATION_MODULES=dict.fromkeys((*APPLICATIONS, "django_cas_ng")),
        MIDDLEWARE=[
            "django.contrib.sessions.middleware.SessionMiddleware",
            "django.middleware.csrf.CsrfViewMiddleware",
            "django.contrib.auth.middleware.AuthenticationMiddleware",
            "django.contrib.messages.middleware.MessageMiddleware",
            "django_cas_ng.middleware.CASMiddleware",
        ],
        AUTHENTICATION_BACKENDS=["django_cas_ng.backends.CASBackend"],
        SESSION_COOKIE_NAME="django",  # cookies know no ports
        CAS_SERVER_URL=cas_url,
        CAS_VERSION="3",
        CAS_VERIFY_SSL_CERTIFICATE=authority,
    )


class Server(ThreadingMixIn, WSGIServer):
    """A thread for each request: a logout comes while the browser waits for another one."""

    daemon_threads = True


class Quiet(WSGIRequestHandler):
    """Leaves no lines: they would hold tickets."""

    def log_message(self, *_parts: object) -> None:
        """Say nothing."""


def main() -> None:
    """Make the tables and serve."""
    port, cas_url, authority, folder = sys.argv[1:]
    configure(cas_url, authority, Path(folder))
    django.setup()
    call_command("migrate", run_syncdb=True, verbosity=0)
    make_server("127.0.0.1", int(port), WSGIHandler(), Server, Quiet).serve_forever()


if __name__ == "__main__":
    main()
