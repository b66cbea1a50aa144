"""`[people]`: the university's names in directories and federations."""

from typing import Annotated

from pydantic import Field

from idp.settings import Section


class PeopleSettings(Section):
    """`[people]`: agreed once with the federation; never change them afterwards."""

    scope: Annotated[str, "Scope of eduPerson values: student@SCOPE."] = "po.edu.pl"
    home_organization: Annotated[str, "schacHomeOrganization, and the HEI part of the European Student Identifier."] = (
        "po.edu.pl"
    )
    mail_domain: Annotated[str, "Domain of the students' addresses: name@DOMAIN and s<album>@DOMAIN."] = (
        "student.po.edu.pl"
    )
    alias_prefix: Annotated[str, "Letter before the album number in the alias.", Field(pattern=r"^[a-z]$")] = "s"
