"""The nginx configuration that we ship, started on this machine: other ports, folders and certificate, nothing else."""

import os
import shutil
from pathlib import Path

from tests.support.cas_clients.programs import Program
from tests.support.certificates import Certificates

SHIPPED = Path(__file__).parents[2] / "deploy" / "proxy"
HOST = "estudent.po.edu.pl"


def start_nginx(folder: Path, certificates: Certificates, http: int, https: int, behind: int) -> Program:
    """Return the running proxy in front of the port `behind`.

    Effect:  `folder` is made and filled; its parents must let nginx's user through
    """
    folder.mkdir(mode=0o755)
    (folder / "temporary").mkdir()
    temporary = "".join(f"{kind}_temp_path {folder}/temporary/{kind};\n" for kind in ("client_body", "proxy"))
    main = _replaced(
        (SHIPPED / "nginx.conf").read_text(),
        {
            "user www-data;": "user nobody nogroup;" if os.geteuid() == 0 else "",
            "/run/nginx.pid": f"{folder}/nginx.pid",
            "/var/log/nginx": str(folder),
            "include /etc/nginx/conf.d/*.conf;": f"{temporary}include {folder}/idp.conf;",
        },
    )
    site = _replaced(
        (SHIPPED / "idp.conf").read_text(),
        {
            "listen 80": f"listen 127.0.0.1:{http}",
            "listen 443": f"listen 127.0.0.1:{https}",
            "listen [::]:80": f"listen [::1]:{http}",
            "listen [::]:443": f"listen [::1]:{https}",
            "127.0.0.1:8080": f"127.0.0.1:{behind}",
            "/etc/ssl/estudent.pem": str(certificates.certificate),
            "/etc/ssl/private/estudent.key": str(certificates.key),
            "/var/log/nginx": str(folder),
        },
    )
    (folder / "nginx.conf").write_text(main)
    (folder / "idp.conf").write_text(site)
    program = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin") or "nginx"
    words: list[str | Path] = [
        program,
        "-p",
        folder,
        "-e",
        folder / "error.log",
        "-c",
        folder / "nginx.conf",
        "-g",
        "daemon off;",
    ]
    return Program(folder / "output.log", words)


def _replaced(text: str, values: dict[str, str]) -> str:
    for shipped, ours in values.items():
        assert shipped in text, f"{shipped} is not in the shipped file"
        text = text.replace(shipped, ours)
    return text
