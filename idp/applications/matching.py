"""Which application an address belongs to. Of several that match, the most exact rule wins. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from functools import lru_cache

from idp.applications.files import Application, Rank
from idp.applications.urls import ApplicationUrl
from idp.errors import ConfigError


@dataclass(frozen=True, slots=True, eq=False)  # compared by identity: `_match` caches answers per set
class Applications:
    """All registered applications of one moment."""

    by_id: Mapping[str, Application] = field(default_factory=dict)

    @classmethod
    def of(cls, applications: Iterable[Application]) -> "Applications":
        """Return the set. Raises: ConfigError when two have one id."""
        by_id: dict[str, Application] = {}
        for application in applications:
            if application.id in by_id:
                raise ConfigError(f"two applications have the id {application.id}")
            by_id[application.id] = application
        return cls(by_id)

    def served(self, application_id: str, today: date) -> Application | None:
        """Return an application that is registered and has not expired."""
        application = self.by_id.get(application_id)
        return None if application is None or application.has_expired(today) else application

    def match(self, url: ApplicationUrl, today: date) -> Application | None:
        """Return the application that describes `url` most exactly; an expired one does not count."""
        return _match(self, url, today)


@lru_cache(maxsize=1024)
def _match(applications: Applications, url: ApplicationUrl, today: date) -> Application | None:
    best = _best(applications, url, today)
    # A server may take `%2F` for a slash. The address must belong to the same application in both readings.
    if url.unescaped_path != url.path and _best(applications, replace(url, path=url.unescaped_path), today) is not best:
        return None
    return best


def _best(applications: Applications, url: ApplicationUrl, today: date) -> Application | None:
    best: tuple[Rank, Application] | None = None
    for application in applications.by_id.values():
        if application.has_expired(today):
            continue
        rank = application.cas.rank(url)
        if rank is not None and (best is None or rank > best[0]):
            best = (rank, application)
    return None if best is None else best[1]
