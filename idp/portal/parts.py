"""What the pages are built of; idp.app fills it in."""

from dataclasses import dataclass
from zoneinfo import ZoneInfo

from idp.accounts.claim import Claims
from idp.accounts.mail_names import MailNames
from idp.accounts.settings import AccountsSettings
from idp.accounts.staff import StaffService
from idp.aliases.settings import AliasSettings
from idp.cas.tickets import TicketService
from idp.clock import Clock
from idp.db.databases import Databases
from idp.people.settings import PeopleSettings
from idp.portal.settings import PortalSettings
from idp.sso.sign_on import SignOnService
from idp.web.settings import UniversitySettings


@dataclass(frozen=True, slots=True)
class Parts:
    """Steps, settings and stores that the pages use."""

    sign_on: SignOnService
    tickets: TicketService
    claims: Claims
    mail_names: MailNames
    staff_service: StaffService
    databases: Databases
    clock: Clock
    accounts: AccountsSettings
    aliases: AliasSettings
    people: PeopleSettings
    portal: PortalSettings
    university: UniversitySettings
    base_url: str

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.university.time_zone)
