"""Write a password: the directory holds it, nobody else."""

from collections.abc import Callable
from dataclasses import dataclass

from idp.accounts.passwords import password_hash
from idp.accounts.settings import AccountsSettings
from idp.drivers.ldap import Directory
from idp.errors import NotFound, TargetUnavailable
from idp.people.directory import DirectorySettings


@dataclass(frozen=True, slots=True)
class PasswordWriter:
    """Writes passwords of people whose entry may be missing or old.

    Shape:   reconcile_person: writes a person's directory entry where it differs (idp.provisioning.live);
             raises TargetUnavailable
             only_of: the filter that matches this person's entry and no other one in the branch
    """

    directory: Directory  # as the account that sets passwords
    layout: DirectorySettings
    settings: AccountsSettings
    reconcile_person: Callable[[str], object]
    only_of: Callable[[str], str]

    def write(self, person_id: str, uid: str, password: str) -> None:
        """Write a prepared password that keeps the rules.

        Raises:  TargetUnavailable when the directory did not confirm; TargetRejected when the entry of this name is not
                 ours
        Effect:  the entry as it is desired, with this one password
        """
        self.reconcile_person(person_id)
        dn, hashed = self.layout.person_dn(uid), password_hash(password, self.settings)
        try:
            self.directory.set_password(dn, hashed, self.only_of(person_id))
        except NotFound as exc:  # somebody removed the entry in this very moment; the worker brings it back
            raise TargetUnavailable("the directory entry is not there") from exc
