"""`[people]`: the university's names in directories and federations, and what the law leaves to it about access."""

from typing import Annotated

from pydantic import Field

from idp.people.status import AccessPolicy
from idp.settings import Section


class PeopleSettings(Section):
    """`[people]`: names agreed once with the federation, never changed afterwards; and who keeps access how long."""

    scope: Annotated[str, "Scope of eduPerson values: student@SCOPE."] = "po.edu.pl"
    home_organization: Annotated[str, "schacHomeOrganization, and the HEI part of the European Student Identifier."] = (
        "po.edu.pl"
    )
    mail_domain: Annotated[str, "Domain of the students' addresses: name@DOMAIN and s<album>@DOMAIN."] = (
        "student.po.edu.pl"
    )
    alias_prefix: Annotated[str, "Letter before the album number in the alias.", Field(pattern=r"^[a-z]$")] = "s"

    suspended_keeps_access: Annotated[bool, "Students suspended in their rights may still sign in."] = False
    struck_off_grace_days: Annotated[
        int, "Days from a strike-off until access is suspended; an appeal needs time.", Field(ge=0)
    ] = 14
    graduate_access_days: Annotated[
        int, "Days from the end of student rights until a graduate's account is closed.", Field(ge=0)
    ] = 180
    candidate_access_days: Annotated[
        int, "Days from admission until the account of a candidate who never began is closed.", Field(ge=0)
    ] = 180

    @property
    def access_policy(self) -> AccessPolicy:
        """The part of these settings that the life cycle needs."""
        return AccessPolicy(
            suspended_keeps_access=self.suspended_keeps_access,
            struck_off_grace_days=self.struck_off_grace_days,
            graduate_access_days=self.graduate_access_days,
            candidate_access_days=self.candidate_access_days,
        )
