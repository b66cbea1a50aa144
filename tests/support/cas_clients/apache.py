"""Apache with mod_auth_cas: applications that the module protects, and the TLS front of two others.

A private server: its configuration, ports, certificates and sessions are a test's own. Where we are root it serves as
`nobody`, as a packaged one serves as `www-data`; the folder's parents must let that user through.
"""

import os
import pwd
import shutil
from dataclasses import dataclass
from pathlib import Path
from string import Template

from tests.support.cas_clients.programs import Program
from tests.support.certificates import Certificates

HERE = Path(__file__).parent
SERVES_AS = "nobody"


@dataclass(frozen=True)
class ApachePorts:
    """Where it listens, always by https, and what stands behind."""

    idp: int  # in front of the sign-on service
    protected: int  # mod_auth_cas with CAS 2 and attributes
    saml: int  # mod_auth_cas with SAML 1.1
    php: int  # PHP applications
    behind_idp: int  # plain http
    behind_php: int  # FastCGI


def start_apache(folder: Path, certificates: Certificates, ports: ApachePorts) -> Program:
    """Return the running server.

    Effect:  `folder` is made, and filled; it holds copies of the certificates
    """
    folder.mkdir(mode=0o755)
    for name in ("sessions", "saml-sessions"):
        (folder / name).mkdir(mode=0o700)
        if os.geteuid() == 0:
            os.chown(folder / name, pwd.getpwnam(SERVES_AS).pw_uid, -1)
    for name in ("protected", "protected/for-12345", "protected/for-54321", "protected/renewed"):
        (folder / "pages" / name).mkdir(parents=True)
        (folder / "pages" / name / "page.txt").write_text("A protected page.\n")
    authority = folder / "ca.pem"  # read by the module, as `nobody`
    shutil.copyfile(certificates.authority, authority)
    values = {
        "folder": folder,
        "user": SERVES_AS,
        "group_id": pwd.getpwnam(SERVES_AS).pw_gid,
        "authority": authority,
        "certificate": certificates.certificate,
        "key": certificates.key,
        "php_folder": HERE / "php",
        "idp": ports.idp,
        "protected": ports.protected,
        "saml": ports.saml,
        "php": ports.php,
        "behind_idp": ports.behind_idp,
        "behind_php": ports.behind_php,
    }
    configuration = folder / "apache.conf"
    configuration.write_text(Template((HERE / "apache.conf").read_text()).substitute(values))
    program = shutil.which("apache2", path=f"{os.environ['PATH']}:/usr/sbin") or "apache2"
    return Program(folder / "output.log", [program, "-f", configuration, "-D", "FOREGROUND"])
