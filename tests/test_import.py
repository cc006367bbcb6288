"""`import authflow` costs nothing but itself: each name brings its own module when it is first asked for."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys

import pytest

import authflow


def modules_after(statement: str) -> set[str]:
    """What a fresh interpreter has loaded by `statement` and had not before it."""
    program = (
        "import sys; before = set(sys.modules)\n"
        f"{statement}\n"
        "after = set(sys.modules); import json; print(json.dumps(sorted(after - before)))"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=300, check=True)
    return set(json.loads(run.stdout.splitlines()[-1]))


def foreign(modules: set[str]) -> set[str]:
    return {name.partition(".")[0] for name in modules} - sys.stdlib_module_names - {"authflow"}


@pytest.mark.parametrize("statement", ["import authflow", "from authflow import State", "import authflow.testing"])
def test_nothing_third_party_is_loaded(statement: str) -> None:
    assert foreign(modules_after(statement)) == set()


@pytest.mark.parametrize("statement", ["import authflow", "from authflow import State"])
def test_asyncio_is_not_loaded(statement: str) -> None:
    assert not {name for name in modules_after(statement) if name.partition(".")[0] == "asyncio"}


def test_a_sync_manager_loads_no_asyncio_either() -> None:
    statement = "from authflow import SessionManager; from authflow.providers import GitHub\n"
    assert "asyncio" not in modules_after(statement + "SessionManager([GitHub('id', 'secret')]).close()")


WITHOUT_POSIX = """
import importlib, os, pkgutil, sys
import authflow

def all_of_it():
    names = [found.name for found in pkgutil.walk_packages(authflow.__path__, "authflow.")]
    return [name for name in names if not name.endswith("__main__") and imported(name)]

def imported(name):
    try:
        return importlib.import_module(name)
    except ImportError as error:  # an extra that is not installed
        if type(error).__name__ != "MissingExtra":
            raise

all_of_it()  # what others need of the system is loaded: ours is loaded again without it
for name in [name for name in sys.modules if name.partition(".")[0] == "authflow"]:
    del sys.modules[name]
for name in ("fcntl", "grp", "posix", "pty", "pwd", "readline", "resource", "syslog", "termios", "tty"):
    sys.modules[name] = None
for name in ("O_NOFOLLOW", "O_DIRECTORY", "O_CLOEXEC", "O_NONBLOCK", "fork", "fchmod", "geteuid", "getuid",
             "register_at_fork"):
    delattr(os, name)
import authflow
print(len(all_of_it()))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="of systems that have what is taken away")
def test_no_module_needs_posix_to_be_imported() -> None:
    program = [sys.executable, "-c", WITHOUT_POSIX]
    run = subprocess.run(program, capture_output=True, text=True, timeout=300, check=False)
    assert run.returncode == 0, run.stderr
    assert int(run.stdout) > 100


def test_import_authflow_loads_one_module_of_its_own() -> None:
    assert {name for name in modules_after("import authflow") if name.startswith("authflow")} == {"authflow"}


def test_a_state_is_had_without_the_machine() -> None:
    loaded = modules_after("from authflow import State")
    assert {name for name in loaded if name.startswith("authflow")} == {"authflow", "authflow.chart"}


def test_a_provider_can_be_configured_without_machine_and_signals() -> None:
    loaded = modules_after("from authflow.providers import GitHub; GitHub('id', 'secret')")
    assert not {"transitions", "blinker"} & foreign(loaded)


def test_optional_extras_are_not_loaded_by_a_manager() -> None:
    loaded = modules_after("from authflow import SessionManager, AsyncSessionManager")
    assert not {"starlette", "uvicorn", "httpx2", "python_multipart"} & foreign(loaded)
    assert {"transitions", "httpx", "blinker", "msgspec"} <= foreign(loaded)


def test_it_costs_what_typing_costs() -> None:
    """Counted rather than timed: what takes long is the number of modules."""
    typing_alone = modules_after("import typing, __future__")
    assert modules_after("import authflow") - typing_alone == {"authflow"}


def test_dir_lists_what_is_public() -> None:
    assert dir(authflow) == sorted(authflow.__all__)


@pytest.mark.parametrize("name", sorted(authflow.__all__))
def test_every_public_name_resolves_to_what_its_module_has(name: str) -> None:
    found = getattr(authflow, name)
    home = authflow._HOME.get(name)
    if home is not None:
        assert found is getattr(importlib.import_module(f"authflow.{home}"), name)


def test_every_name_with_a_home_is_public_and_known_to_type_checkers() -> None:
    assert set(authflow._HOME) | {"__version__"} == set(authflow.__all__)


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="'Sesion'"):
        authflow.Sesion  # noqa: B018
    with pytest.raises(ImportError):
        from authflow import Sesion  # noqa: F401


def test_star_import_gives_all_of_it() -> None:
    program = "from authflow import *; import authflow; print(set(authflow.__all__) - set(globals()))"
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=300, check=True)
    assert run.stdout.strip() == "set()"
