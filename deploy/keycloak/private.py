"""Start a Keycloak in a folder of one's own, on a loopback port, as whoever we are, and stop it again.

Nothing outside the folder is touched. A second start keeps the data. The program itself is shared (see `install`): the
folder holds links to it, the database, and the secrets, which are made at the first start.
"""

import http.client
import os
import secrets
import shutil
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from keycloak import KeycloakAdmin
from keycloak.exceptions import KeycloakError, KeycloakGetError

from deploy.keycloak.install import Installed, KeycloakFailed, find_installed
from deploy.keycloak.realm import realm
from deploy.processes import alone, end_process, free_port, pid_in, wait_for_end

ADMIN = "admin"
PROVISIONING, LOAD = "provisioning", "load"
SHARED = ("bin", "lib", "conf", "providers", "themes")
READY_WITHIN_S = 300.0  # a fresh database on a busy machine with two cores took a minute

# As bin/kc.sh says them. We start Java ourselves: the script would stand between us and it, and outlive a kill.
OPENED = ("java.util", "java.util.concurrent", "java.security", "java.lang")
JAVA_OPTIONS = (
    "-XX:MetaspaceSize=96M",
    "-XX:MaxMetaspaceSize=256m",
    "-XX:+ExitOnOutOfMemoryError",
    "-Dfile.encoding=UTF-8",
    "-Djava.util.concurrent.ForkJoinPool.common.threadFactory="
    "io.quarkus.bootstrap.forkjoin.QuarkusForkJoinWorkerThreadFactory",
    "-Djava.util.logging.manager=org.jboss.logmanager.LogManager",
    "-Dpicocli.disable.closures=true",
    "-Duser.language=en",
    "-Duser.country=US",
    *(f"--add-opens=java.base/{package}=ALL-UNNAMED" for package in OPENED),
    "--enable-native-access=ALL-UNNAMED",
)
# A third of the processor time of a start, and slower afterwards: for tests. Keycloak's own classes are not verified.
STARTS_QUICKLY = (
    "-XX:TieredStopAtLevel=1",
    "-XX:+UseSerialGC",
    "-XX:+UnlockDiagnosticVMOptions",
    "-XX:-BytecodeVerificationRemote",
)


@dataclass
class PrivateKeycloak:
    """One Keycloak with its database and secrets under `folder`, and a realm that provisioning can write to.

    Shape:   with PrivateKeycloak(folder) as keycloak: connect(keycloak.url)
             starts_quickly=True for tests: less memory, and half the processor time until it answers
             dies_with_us=True ends it also when the thread that started it is killed
    Effect:  `folder` is made and filled; `stop` leaves it in place
    """

    folder: Path
    realm: str = "student"
    port: int = 0  # 0: a free one, chosen at each start
    base_url: str = "http://127.0.0.1:8080"  # where idp answers: the realm's identity provider
    heap_mib: int = 512
    starts_quickly: bool = False
    dies_with_us: bool = False
    management_port: int = field(default=0, init=False)
    _fixed_port: int = field(init=False, repr=False)
    _admin: KeycloakAdmin | None = field(default=None, init=False, repr=False)

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
        return f"http://127.0.0.1:{self.port}"

    def secret_file(self, name: str) -> Path:
        """Return the file (mode 600) with the secret of `admin`, `provisioning` or `load`."""
        return self.folder / "secrets" / name

    def secret(self, name: str) -> str:
        """Return the secret of `admin`, `provisioning` or `load`."""
        return self.secret_file(name).read_text()

    def admin(self) -> KeycloakAdmin:
        """Return a client that may do everything in our realm: for set-up and tests, never for the service."""
        if self._admin is None:  # kept: every new one makes Keycloak check a password
            self._admin = KeycloakAdmin(
                server_url=self.url,
                username=ADMIN,
                password=self.secret(ADMIN),
                user_realm_name="master",
                realm_name=self.realm,
                timeout=60,
            )
        return self._admin

    def service(self, client_id: str, secret: str) -> KeycloakAdmin:
        """Return a client that may do what the service account of a client may."""
        return KeycloakAdmin(
            server_url=self.url,
            client_id=client_id,
            client_secret_key=self.secret(secret),
            realm_name=self.realm,
            timeout=60,
        )

    def start(self, timeout_s: float = READY_WITHIN_S) -> None:
        """Set it up if nobody has, start it unless it runs, and return when it answers and has the realm.

        Raises:  KeycloakFailed
        """
        installed = find_installed()
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with alone(self.folder / "lock"):
            if self._is_ours_and_answers():
                return
            end_process(lambda: self.pid, timeout_s)
            self._admin = None
            self._set_up(installed)
            self._run(installed, timeout_s)
            self._make_realm()
            (self.folder / "ready").touch()

    def stop(self, timeout_s: float = 30.0) -> None:
        """End it and keep its folder; a repeat is harmless."""
        if self.folder.exists():
            with alone(self.folder / "lock"):
                end_process(lambda: self.pid, timeout_s)

    def restart(self) -> None:
        """Stop and start on the same port, as after a power cut of Keycloak alone."""
        self._fixed_port = self.port
        self.stop()
        self.start()

    def reset(self) -> None:
        """Start it if it is stopped and remove every user of our realm; accounts of services stay."""
        self.start()
        admin = self.admin()
        with ThreadPoolExecutor(4) as pool:
            while users := admin.get_users({"first": 0, "max": 500, "briefRepresentation": True}):
                list(pool.map(admin.delete_user, [user["id"] for user in users]))

    @property
    def pid(self) -> int | None:
        """The running server's process id, or None."""
        return pid_in(self.folder / "keycloak.pid", os.fsencode(self._home_option))

    @property
    def _home_option(self) -> str:
        return f"-Dkc.home.dir={self.folder / 'home'}"

    def _is_ours_and_answers(self) -> bool:
        if self.pid is None or not (self.folder / "ready").exists():
            return False
        try:
            self.port, self.management_port = (int(port) for port in (self.folder / "ports").read_text().split())
        except (OSError, ValueError):
            return False
        return self._fixed_port in (0, self.port) and self._answers()

    def _set_up(self, installed: Installed) -> None:
        """Link the program, which may be a newer one; on the first start, or after half a one, make secrets."""
        home = self.folder / "home"
        home.mkdir(exist_ok=True, mode=0o700)
        for name in SHARED:
            (home / name).unlink(missing_ok=True)
            (home / name).symlink_to(installed.folder / name)
        if not (self.folder / "ready").exists():
            for leftover in (home / "data", self.folder / "secrets"):
                shutil.rmtree(leftover, ignore_errors=True)
            (self.folder / "secrets").mkdir(mode=0o700)
            for name in (ADMIN, PROVISIONING, LOAD):
                handle = os.open(self.secret_file(name), os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
                with os.fdopen(handle, "w") as stream:
                    stream.write(secrets.token_urlsafe(32))

    def _run(self, installed: Installed, timeout_s: float) -> None:
        """Start it; where we chose the port and somebody else took it meanwhile, choose again."""
        end = time.monotonic() + timeout_s
        for last_one in [False, False, True] if self._fixed_port == 0 else [True]:
            self.port, self.management_port = self._fixed_port or free_port(), free_port()
            (self.folder / "ports").write_text(f"{self.port} {self.management_port}")
            server = self._spawn(installed)
            (self.folder / "keycloak.pid").write_text(str(server.pid))
            while server.poll() is None and time.monotonic() < end:
                if self._answers():
                    server.returncode = 0  # left running on purpose: Popen must not complain when it is collected
                    return
                wait_for_end(server.pid, 0.1)
            server.kill()
            server.wait()
            if last_one or time.monotonic() > end:
                said = (self.folder / "log").read_text(errors="replace")[-3000:]
                raise KeycloakFailed(f"Keycloak did not start on port {self.port}:\n{said}")

    def _spawn(self, installed: Installed) -> subprocess.Popen[bytes]:
        home = self.folder / "home"
        with_us = ["setpriv", "--pdeathsig=TERM"] if self.dies_with_us else []
        java = [
            installed.java,
            *(STARTS_QUICKLY if self.starts_quickly else ()),
            f"-Xmx{self.heap_mib}m",
            *JAVA_OPTIONS,
        ]
        program = ["-cp", str(home / "lib" / "quarkus-run.jar"), "io.quarkus.bootstrap.runner.QuarkusEntryPoint"]
        options = [
            "--optimized",
            "--cache=local",  # one server: without it it would look for others
            "--http-enabled=true",
            "--hostname-strict=false",
            "--http-host=127.0.0.1",
            f"--http-port={self.port}",
            f"--http-management-port={self.management_port}",
        ]
        with (self.folder / "log").open("wb") as log:
            return subprocess.Popen(  # noqa: S603 - our own words and a program found by us
                [
                    *with_us,
                    *java,
                    self._home_option,
                    f"-Djboss.server.config.dir={home / 'conf'}",
                    *program,
                    "start",
                    *options,
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.folder,
                env=self._environment(),
                start_new_session=True,  # Ctrl-C at the terminal is for whoever started us; he stops it in order
            )

    def _environment(self) -> dict[str, str]:
        """Nothing of ours but what makes the first administrator; KC_… of the machine would lead it elsewhere."""
        return {
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": str(self.folder),
            "LC_ALL": "C.UTF-8",
            "KC_BOOTSTRAP_ADMIN_USERNAME": ADMIN,
            "KC_BOOTSTRAP_ADMIN_PASSWORD": self.secret(ADMIN),
        }

    def _make_realm(self) -> None:
        admin = self.admin()
        wanted = realm(
            self.realm,
            provisioning_secret=self.secret(PROVISIONING),
            load_secret=self.secret(LOAD),
            base_url=self.base_url,
        )
        try:
            admin.get_realm(self.realm)
        except KeycloakGetError as error:
            if error.response_code != http.HTTPStatus.NOT_FOUND:
                raise KeycloakFailed(f"Keycloak does not say whether it has our realm: {error}") from error
            try:
                admin.create_realm(wanted)
            except KeycloakError as refused:
                raise KeycloakFailed(f"Keycloak refuses our realm: {refused}") from refused

    def _answers(self) -> bool:
        """In 26.7 the port opens before the database is ready: nothing but /health/ready tells."""
        connection = http.client.HTTPConnection("127.0.0.1", self.management_port, timeout=5)
        try:
            connection.request("GET", "/health/ready")
            return connection.getresponse().status == http.HTTPStatus.OK
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()
