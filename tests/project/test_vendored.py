"""Files of other projects that we ship as they are: each says what it is, and is that."""

import hashlib
import re
from pathlib import Path

import pytest

(STATIC,) = (file.parent for file in (Path(__file__).parents[2] / "idp").glob("*/static/altcha.min.js"))
# SHA-256 of the files in the package altcha of npm.
ALTCHA_3_2_2 = {
    "altcha.min.js": "959494398e8fcde3414d09309ade24b444ede098b04dec1514f4754279bff031",
    "altcha.css": "03622256effb4e962d0c1da9a59684cf237f541f290703934c07a97dabcbad47",
    "altcha-pbkdf2.js": "7862add9c9d3d847ded3da928edcf406b46478754b9883351111414825b9c86f",
    "altcha-pl.js": "994d85fc59026419c684b8f5263a2d77e5da5503ee785b40d3470372ed843b41",
}


@pytest.mark.parametrize("name", ALTCHA_3_2_2)
def test_a_file_of_altcha_says_its_version_and_is_unchanged_below_that_line(name: str) -> None:
    banner, _, content = (STATIC / name).read_bytes().partition(b"\n")

    assert re.fullmatch(rb"/\*! altcha 3\.2\.2 \(npm\), MIT: altcha\.LICENSE\.txt \*/", banner)
    assert hashlib.sha256(content).hexdigest() == ALTCHA_3_2_2[name]
