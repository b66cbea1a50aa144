"""Start a slapd in a folder of one's own, on a loopback port, as whoever we are, and stop it again.

Nothing outside the folder is touched, and no system service is needed or disturbed. A second start keeps the data.
There is no unix socket, so the folder's path may be as long as it likes.
"""

import base64
import os
import secrets
import shutil
import string
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from argon2 import PasswordHasher, Type

from deploy.processes import alone, end_process, free_port, pid_in, wait_for_end
from idp.people.directory import DirectorySettings

HERE = Path(__file__).parent
SERVICES = {
    "signin": "reads what sign-in needs",
    "provisioning": "writes people's entries; neither reads nor writes passwords",
    "accounts": "sets passwords",
    "reader": "reads everything but passwords and their state",
}
MANAGER = "manager"
# A service's password is 256 random bits: a slow hash would protect nothing and cost every connection its time.
SERVICE_HASHER = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1, type=Type.ID)
# Refusing an unknown person must cost as much as refusing a wrong password: same parameters as people's passwords.
DECOY_HASHER = PasswordHasher(time_cost=2, memory_cost=19456, parallelism=1, type=Type.ID)

SYSTEM_FOLDERS = "/usr/sbin:/usr/local/sbin:/sbin:/usr/lib/openldap:/usr/libexec"
MODULE_FOLDERS = ("/usr/lib/ldap", "/usr/lib/openldap", "/usr/lib64/openldap", "/usr/libexec/openldap")
SCHEMA_FOLDERS = ("/etc/ldap/schema", "/etc/openldap/schema", "/usr/share/openldap/schema")
PACKAGED_SCHEMAS = ("core", "cosine", "inetorgperson", "misc")
OWN_SCHEMAS = ("eduperson", "schac", "idpperson")


class SlapdFailed(Exception):
    """slapd is missing or did not start; the text says what to do, or what it said."""


@dataclass
class PrivateSlapd:
    """One slapd with its configuration, data and passwords under `folder`.

    Shape:   with PrivateSlapd(folder) as slapd: connect(slapd.url)
             durable=False answers before the disk has the change: for tests only
             dies_with_us=True ends it also when the thread that started it is killed
    Effect:  `folder` is made and filled; `stop` leaves it in place
    """

    folder: Path
    base_dn: str = "dc=po,dc=edu,dc=pl"
    port: int = 0  # 0: a free one, chosen at each start
    durable: bool = True
    dies_with_us: bool = False
    certificate: Path | None = None  # with `key`, PEM: it then speaks StartTLS, and ldaps:// at `tls_url`
    key: Path | None = None
    tls_port: int = field(default=0, init=False)
    _fixed_port: int = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self.folder = self.folder.absolute()
        self._fixed_port = self.port

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()

    @property
    def url(self) -> str:
        """Where it listens, once it has been started."""
        return f"ldap://127.0.0.1:{self.port}"

    @property
    def tls_url(self) -> str:
        """Where it listens for TLS from the start, once it has been started with a certificate."""
        return f"ldaps://127.0.0.1:{self.tls_port}"

    @property
    def settings(self) -> DirectorySettings:
        """The `[directory]` section for this server."""
        return DirectorySettings(
            url=self.url,
            base_dn=self.base_dn,
            signin_dn=self.service_dn("signin"),
            signin_password_file=self.password_file("signin"),
            provisioning_dn=self.service_dn("provisioning"),
            provisioning_password_file=self.password_file("provisioning"),
            accounts_dn=self.service_dn("accounts"),
            accounts_password_file=self.password_file("accounts"),
            decoy_dn=self.service_dn("decoy"),
        )

    @property
    def manager_dn(self) -> str:
        """Who may do everything: for set-up and tests, never for the service."""
        return f"cn={MANAGER},{self.base_dn}"

    def service_dn(self, name: str) -> str:
        """Return the DN of `signin`, `provisioning`, `accounts`, `reader` or `decoy`."""
        return f"cn={name},ou=services,{self.base_dn}"

    def password_file(self, name: str) -> Path:
        """Return the file (mode 600) with the password of a service or of the manager."""
        return self.folder / "passwords" / name

    def password(self, name: str) -> str:
        """Return the password of a service or of the manager."""
        return self.password_file(name).read_text()

    def start(self, timeout_s: float = 30.0) -> None:
        """Set it up if nobody has, start it unless it runs, and return when it answers.

        Raises:  SlapdFailed
        """
        programs = Programs.find()
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with alone(self.folder / "lock"):
            if self._is_ours_and_answers(programs):
                return
            end_process(lambda: self.pid, timeout_s)
            self._set_up(programs)
            self._run(programs, timeout_s)

    def stop(self, timeout_s: float = 10.0) -> None:
        """End it and keep its folder; a repeat is harmless."""
        if self.folder.exists():
            with alone(self.folder / "lock"):
                end_process(lambda: self.pid, timeout_s)

    def restart(self) -> None:
        """Stop and start on the same port, as after a power cut of the directory alone."""
        self._fixed_port = self.port
        self.stop()
        self.start()

    def reset(self) -> None:
        """Start it if it is stopped and remove every person, so that only the base entries are left."""
        self.start()
        programs = Programs.find()
        self._as_manager(programs.ldapdelete, "-r", "-c", f"ou=people,{self.base_dn}")
        self._as_manager(programs.ldapadd, "-c", "-f", str(self.folder / "base.ldif"))

    def load(self, ldif: Path) -> None:
        """Fill it from a file of entries while it stands still, and start it again."""
        self._fixed_port = self.port
        with alone(self.folder / "lock"):
            end_process(lambda: self.pid, 10.0)
            self._tool(Programs.find().slapadd, "-q", "-n1", "-l", str(ldif))
        self.start()

    @property
    def pid(self) -> int | None:
        """The running server's process id, or None."""
        return pid_in(self.folder / "slapd.pid", os.fsencode(self.folder / "config"))

    def _is_ours_and_answers(self, programs: "Programs") -> bool:
        if self.pid is None:
            return False
        try:
            self.port = int((self.folder / "port").read_text())
        except (OSError, ValueError):
            return False
        return self._fixed_port in (0, self.port) and self._answers(programs)

    def _set_up(self, programs: "Programs") -> None:
        """Write the configuration, which may be newer than the data; on the first start also the base entries."""
        is_new = not (self.folder / "ready").exists()
        if is_new:
            for leftover in ("data", "passwords"):
                shutil.rmtree(self.folder / leftover, ignore_errors=True)
            self._make_passwords()
        config = self._config(programs)
        is_changed = is_new or (self.folder / "config.ldif").read_text(encoding="utf-8") != config
        self._rebuild(programs, config)
        if is_new:
            (self.folder / "base.ldif").write_text(self._base_entries(), encoding="utf-8")
            self._tool(programs.slapadd, "-q", "-n1", "-l", str(self.folder / "base.ldif"))
            (self.folder / "ready").touch()
        elif is_changed:
            self._tool(programs.slapindex, "-q", "-n1")

    def _make_passwords(self) -> None:
        (self.folder / "data").mkdir(mode=0o700)
        (self.folder / "passwords").mkdir(mode=0o700)
        for name in (*SERVICES, MANAGER):
            handle = os.open(self.password_file(name), os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(handle, "w") as stream:
                stream.write(secrets.token_urlsafe(32))
        # Made once and kept: argon2 salts differ, and an unchanged configuration must compare as unchanged.
        (self.folder / "passwords" / "manager.hash").write_text(_hash(self.password(MANAGER)))

    def _rebuild(self, programs: "Programs", config: str) -> None:
        file = self.folder / "config.ldif"
        fresh = file.with_suffix(".new")
        fresh.touch(mode=0o600)
        fresh.write_text(config, encoding="utf-8")
        shutil.rmtree(self.folder / "config", ignore_errors=True)
        (self.folder / "config").mkdir(mode=0o700)
        self._tool(programs.slapadd, "-q", "-n0", "-l", str(fresh))
        fresh.replace(file)

    def _config(self, programs: "Programs") -> str:
        schemas = [programs.schema_folder / f"{name}.ldif" for name in PACKAGED_SCHEMAS]
        schemas += [HERE / "schema" / f"{name}.ldif" for name in OWN_SCHEMAS]
        filled = _template("config.ldif").substitute(
            folder=self.folder,
            module_folder=programs.module_folder,
            base_dn=self.base_dn,
            manager_hash=(self.folder / "passwords" / "manager.hash").read_text(),
            no_sync="FALSE" if self.durable else "TRUE",
            tls=self._tls(),
            schema="\n\n".join(_without_comments(file.read_text(encoding="utf-8")) for file in schemas),
        )
        return "\n".join(_as_ldif_line(line) for line in filled.splitlines()) + "\n"

    def _tls(self) -> str:
        if self.certificate is None or self.key is None:
            return ""
        return f'olcTLSCertificateFile: "{self.certificate}"\nolcTLSCertificateKeyFile: "{self.key}"\n'

    def _base_entries(self) -> str:
        attribute, _, value = self.base_dn.partition(",")[0].partition("=")
        services = [_service(name, task, _hash(self.password(name)), self.base_dn) for name, task in SERVICES.items()]
        # Nobody knows the decoy's password: it is made here and forgotten here.
        secret = "{ARGON2}" + DECOY_HASHER.hash(secrets.token_urlsafe(32))
        services.append(_service("decoy", "refuses every bind at the usual cost", secret, self.base_dn))
        return _template("base.ldif").substitute(
            base_dn=self.base_dn, base_rdn=f"{attribute}: {value}", services="\n".join(services)
        )

    def _run(self, programs: "Programs", timeout_s: float) -> None:
        """Start slapd; where we chose the port and somebody else took it meanwhile, choose again."""
        tries = 1 if self._fixed_port else 5
        for last_one in [False] * (tries - 1) + [True]:
            self.port = self._fixed_port or free_port()
            self.tls_port = free_port() if self.certificate else 0
            (self.folder / "port").write_text(str(self.port))
            server = self._spawn(programs)
            end = time.monotonic() + timeout_s
            while server.poll() is None and time.monotonic() < end:
                if self._answers(programs):
                    server.returncode = 0  # left running on purpose: Popen must not complain when it is collected
                    return
                wait_for_end(server.pid, 0.02)
            server.terminate()
            server.wait()
            if last_one:
                said = (self.folder / "log").read_text(errors="replace")[-2000:]
                raise SlapdFailed(f"slapd did not start on port {self.port}:\n{said}")

    def _spawn(self, programs: "Programs") -> subprocess.Popen[bytes]:
        with_us = ["setpriv", "--pdeathsig=TERM"] if self.dies_with_us else []
        addresses = f"{self.url} {self.tls_url}" if self.certificate else self.url
        with (self.folder / "log").open("wb") as log:
            return subprocess.Popen(  # noqa: S603 - our own words and a program found by us
                # Any -d keeps it in the foreground; with 0 it says nothing but why it cannot start.
                [*with_us, programs.slapd, "-F", self.folder / "config", "-h", addresses, "-d", "0"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.folder,
                start_new_session=True,  # Ctrl-C at the terminal is for whoever started us; he stops slapd in order
            )

    def _answers(self, programs: "Programs") -> bool:
        """Asked with our own password, so that another server on this port is not taken for ours."""
        return self._as_manager(programs.ldapwhoami, "-o", "nettimeout=2", check=False)

    def _as_manager(self, program: str, *arguments: str, check: bool = True) -> bool:
        login = ["-x", "-H", self.url, "-D", self.manager_dn, "-y", str(self.password_file(MANAGER))]
        done = subprocess.run(  # noqa: S603 - as above
            [program, *login, *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            env=_environment(),
            check=False,
        )
        # 68: the entry is already there.
        if check and done.returncode not in (0, 68):
            raise SlapdFailed(f"{program} failed:\n{done.stdout}{done.stderr}")
        return done.returncode == 0

    def _tool(self, program: str, *arguments: str) -> None:
        done = subprocess.run(  # noqa: S603 - as above
            [program, "-F", self.folder / "config", *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            cwd=self.folder,
            check=False,
        )
        if done.returncode != 0:
            raise SlapdFailed(f"{program} failed:\n{done.stdout}{done.stderr}")


@dataclass(frozen=True, slots=True)
class Programs:
    """What OpenLDAP's packages installed, and where."""

    slapd: str
    slapadd: str
    slapindex: str
    ldapwhoami: str
    ldapadd: str
    ldapdelete: str
    module_folder: Path
    schema_folder: Path

    @classmethod
    def find(cls) -> Self:
        """Return the programs; an ordinary user's PATH often lacks /usr/sbin, so we look there too.

        Raises:  SlapdFailed naming the packages
        """
        path = os.pathsep.join((os.environ.get("PATH", os.defpath), SYSTEM_FOLDERS))
        names = ("slapd", "slapadd", "slapindex", "ldapwhoami", "ldapadd", "ldapdelete")
        found = {name: shutil.which(name, path=path) for name in names}
        folders = {
            "modules (back_mdb.so)": _first(MODULE_FOLDERS, "back_mdb.so"),
            "schemas (inetorgperson.ldif)": _first(SCHEMA_FOLDERS, "inetorgperson.ldif"),
        }
        missing = [name for name, place in (*found.items(), *folders.items()) if place is None]
        if missing:
            raise SlapdFailed(f"OpenLDAP lacks {', '.join(missing)}: install the packages slapd and ldap-utils.")
        programs = {name: place for name, place in found.items() if place is not None}
        modules, schemas = (place for place in folders.values() if place is not None)
        return cls(**programs, module_folder=modules, schema_folder=schemas)


def _first(folders: tuple[str, ...], file: str) -> Path | None:
    return next((Path(folder) for folder in folders if (Path(folder) / file).exists()), None)


def _template(name: str) -> string.Template:
    return string.Template(_without_comments((HERE / name).read_text(encoding="utf-8")))


def _service(name: str, task: str, hashed: str, base_dn: str) -> str:
    lines = (
        f"dn: cn={name},ou=services,{base_dn}",
        "objectClass: applicationProcess",
        "objectClass: simpleSecurityObject",
        f"cn: {name}",
        f"description: {task}",
        f"userPassword: {hashed}",
    )
    return "\n".join(lines) + "\n"


def _hash(password: str) -> str:
    return "{ARGON2}" + SERVICE_HASHER.hash(password)


def _without_comments(text: str) -> str:
    # slapadd takes a comment between two records for a record of its own.
    return "\n".join(line for line in text.splitlines() if not line.startswith("#")).strip("\n")


def _as_ldif_line(line: str) -> str:
    """A folder may have a name in any script; LDIF wants such values in base64."""
    if line.isascii():
        return line
    name, _, value = line.partition(": ")
    return f"{name}:: {base64.b64encode(value.encode()).decode()}"


def _environment() -> dict[str, str]:
    # LDAPNOINIT: no ldap.conf or .ldaprc of the machine may lead the tools elsewhere.
    return {"PATH": os.environ.get("PATH", os.defpath), "LDAPNOINIT": "1"}


def main(arguments: list[str]) -> int:
    """`python -m deploy.openldap.private start|stop FOLDER [PORT]`."""
    if len(arguments) not in (2, 3) or arguments[0] not in ("start", "stop"):
        print(main.__doc__, file=sys.stderr)
        return 2
    slapd = PrivateSlapd(Path(arguments[1]), port=int(arguments[2]) if len(arguments) == 3 else 0)
    try:
        slapd.start() if arguments[0] == "start" else slapd.stop()
    except SlapdFailed as failure:
        print(failure, file=sys.stderr)
        return 1
    if arguments[0] == "start":
        print(f"{slapd.url}  base {slapd.base_dn}  passwords in {slapd.folder / 'passwords'}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
