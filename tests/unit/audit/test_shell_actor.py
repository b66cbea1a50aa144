"""Who acts when a command is run on the machine."""

import os
import subprocess
import sys
from pathlib import Path

from idp.audit.events import login_name

NOBODY, UNKNOWN = 65534, 3_000_000_000


def test_whoever_logged_in_acts_whatever_user_they_are_now() -> None:
    assert login_name(NOBODY, 0, "daemon") == "nobody"
    assert login_name(NOBODY, 1, "") == "nobody"


def test_without_a_login_the_user_of_the_process_acts() -> None:
    assert login_name(None, NOBODY, "") == "nobody"
    assert login_name(None, 0, "") == "root"


def test_what_sudo_says_is_believed_of_root_alone() -> None:
    assert login_name(None, 0, "daemon") == "daemon"
    assert login_name(None, NOBODY, "daemon") == "nobody"


def test_a_user_that_does_not_exist_did_not_call_sudo() -> None:
    assert login_name(None, 0, "system\nshell:eve") == "root"


def test_a_user_without_a_name_is_a_number() -> None:
    assert login_name(None, UNKNOWN, "") == str(UNKNOWN)


def test_the_environment_does_not_say_who_acts() -> None:
    ask = "from idp.audit.events import shell_actor; print(shell_actor())"
    environment = {**os.environ, "USER": "eve", "LOGNAME": "eve", "SUDO_USER": "eve"}
    root = Path(__file__).parents[3]
    answers = {
        subprocess.run(
            [sys.executable, "-c", ask], env=env, cwd=root, capture_output=True, check=True, text=True
        ).stdout
        for env in (environment, dict(os.environ))
    }

    assert len(answers) == 1
