# /// script
# dependencies = ["nox[uv]>=2026.10"]
# ///
"""All checks of this repository: ``nox`` runs what CI runs, ``nox -l`` lists the rest."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from pathlib import Path

import nox

PYPROJECT = nox.project.load_toml("pyproject.toml")
PYTHONS = nox.project.python_versions(PYPROJECT)

# pyenv leaves shims on PATH that answer "command not found": put the real interpreters first.
for _bin in sorted(
    Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")).glob("versions/3.1[1-9].*/bin")
):
    os.environ["PATH"] = f"{_bin}{os.pathsep}{os.environ['PATH']}"

# The oldest interpreter at hand runs every test, the others the unit tests.
OLDEST = next((version for version in PYTHONS if shutil.which(f"python{version}")), PYTHONS[0])

# What the oldest versions are tested with; `tdigest` would need a compiler.
LOWEST = (
    *("flask", "fastapi", "cli", "redis", "flask-caching", "embedded", "postgres", "demo"),
    *("scrapers", "aiohttp", "celery"),
)

# What takes long and depends on no version of theirs: the command line, locks, arithmetic.
NOT_LOWEST = (
    *("*/test_demo_*", "*/test_docs*", "*/test_cli_*", "*/test_accuracy.py"),
    *("*/test_cached_responses_servers.py", "*/test_flask_caching_processes.py"),
    *("*/unit/cache/test_reentrancy.py", "*/unit/cache/test_endings.py"),
    *("*/unit/metrics/test_digest_contract.py", "*/unit/sla/test_verdicts_are_true.py"),
    *("*/unit/test_breaker.py", "*/unit/database/partitions/*", "*/test_database_partitions.py"),
    *("*/unit/metrics/test_windows_over_time.py", "*/unit/database/pools/test_sizing.py"),
    # What an index, a plan or a replica is depends on the server: the newest versions have these.
    *(f"*/integration/test_database_{what}.py" for what in ("indexes", "looks", "replicas")),
    "*/integration/test_n_plus_one_scenarios.py",
    *("*/unit/test_n_plus_one_scenarios.py", "*/test_chaos_proxy.py", "*/test_postgres_servers.py"),
    # What replies mean depends on nobody else's version, and neither do runs and their reports.
    *(f"*/unit/scrapers/{room}/*" for room in ("platforms", "testing", "limits", "engine")),
    *("*/test_scrape_cli.py", "*/test_platform_tutorial.py", "*/test_celery_workers.py"),
    *("*/unit/cli/*", "*/unit/advice/*", "*/unit/scrapers/storage/*"),
)

# What depends on no version of Python is tested on the oldest alone: tables of replies and of
# scenarios, texts, the pages of the docs.
NOT_EVERYWHERE = (
    *("*/unit/scrapers/platforms/*", "*/unit/scrapers/testing/*", "*/unit/test_docs*"),
    *("*/unit/test_n_plus_one_scenarios.py", "*/unit/database/partitions/*", "*/unit/advice/*"),
    *("*/unit/sla/test_verdicts_are_true.py", "*/unit/metrics/test_windows_over_time.py"),
    *("*/unit/test_pytest_plugin.py", "*/unit/demo/*", "*/unit/database/pools/test_sizing.py"),
    *("*/unit/cli/*", "*/unit/adapters/test_celery_*", "*/unit/scrapers/storage/*"),
)

# The newest release of the older of the two lines of SQLAlchemy that we support.
SQLALCHEMY_20 = "sqlalchemy==2.0.58"

# Random examples search for faults in our rules: one Python with the newest versions does it whole.
BRIEF = "--hypothesis-profile=brief"

# On four processes, as many tests wait: all but what is held against the clock. What is named
# first starts first, so that the long ones do not come last.
PARALLEL = ("-n", "4", "--dist", "loadfile", "--no-loadscope-reorder")
PURE = ("tests/unit", "tests/property")

# Faults that are neither held against the clock nor count what is in their process: they share the
# machine with the other tests.
UNHURRIED = tuple(
    f"tests/faults/test_{name}.py"
    for name in (
        *("web_floods", "metrics_payloads", "cache_payloads", "database_queries", "fake_server"),
        *("cache_orders", "cache_races", "cache_l1_threads"),
        *("scrape_many_accounts", "scrape_killed", "scrape_expired_token"),
    )
)

nox.needs_version = ">=2026.10"
nox.options.default_venv_backend = "uv|virtualenv"
nox.options.reuse_venv = "yes"
nox.options.error_on_missing_interpreters = False  # a fresh Debian 12 has 3.11 alone
nox.options.sessions = ["lint", "types", "tests", "lowest", "sql20", "tdigest", "docs", "wheel"]

# What the host's own environment says must not reach the tests.
_OURS = ("HHS_PERF_", "CACHE_", "REDIS_", "DATABASE_", "DB_", "ENABLE_", "CELERY_", "PG")
for _name in [name for name in os.environ if name.startswith(_OURS)]:
    del os.environ[_name]
# Without its byte code each process that a test starts would compile all that it imports.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)


def install(
    session: nox.Session, *groups: str, extras: str = "all", pins: str = "constraints.txt"
) -> None:
    """Install the package, editable, with the pinned versions of what it and the groups need."""
    needs = nox.project.dependency_groups(PYPROJECT, *groups)
    session.install("-e", f".[{extras}]", *needs, "-c", pins)


def existing(*paths: str) -> list[str]:
    """Return those of the paths that are there."""
    return [path for path in paths if Path(path).exists()]


def install_debian(session: nox.Session, missing: str, *packages: str) -> None:
    """Let root install Debian packages; anybody else is told what is `missing`."""
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        session.error(f"{missing}: install {', '.join(packages)}")
    # The run level keeps a server that is installed from being started.
    env = {"DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
    apt = ("apt-get", "-qq")
    session.run(*apt, "update", external=True, env=env)
    session.run(
        *(*apt, "-y", "--no-install-recommends", "install", *packages),
        external=True,
        silent=True,
        env=env,
    )


def ensure_redis(session: nox.Session) -> None:
    """See to the second server of the tests, which no wheel holds, and to what makes its keys."""
    if not (shutil.which("redis-server") and shutil.which("openssl")):
        missing = "the tests need redis-server and openssl"
        install_debian(session, missing, "redis-server", "openssl")


def ensure_compiler(session: nox.Session) -> None:
    """See to the compiler that ``tdigest`` is built with."""
    script = "import sysconfig; print(sysconfig.get_path('include'))"
    headers = session.run("python", "-c", script, silent=True) or ""
    if shutil.which("gcc") and Path(headers.strip(), "Python.h").exists():
        return
    install_debian(session, "tdigest needs gcc and Python.h", "gcc", "libc6-dev", "python3-dev")


@nox.session
def lint(session: nox.Session) -> None:
    """Style, spelling, import floors, dependencies, dead code."""
    install(session, "lint")
    session.run("ruff", "format", "--check")
    session.run("ruff", "check")
    session.run(
        "codespell", *existing("src", "tests", "benchmarks", "docs"), *map(str, Path().glob("*.md"))
    )
    session.run("lint-imports")
    session.run("deptry", "src")
    session.run("vulture")


@nox.session
def types(session: nox.Session) -> None:
    """Static types of the package, and of a user's code against it."""
    install(session, "types")
    session.run("mypy", "src", *map(str, Path("tests/typing").glob("*.py")))


@nox.session(python=PYTHONS)
def tests(session: nox.Session) -> None:
    """Everything on the oldest Python found, the unit tests on all others."""
    install(session, "test")
    if session.python == OLDEST:
        ensure_redis(session)
    if session.posargs:
        session.run("pytest", *session.posargs)
    elif session.python == OLDEST:
        together = ("tests/integration", *UNHURRIED, *PURE, "docs", "README.md")
        session.run("pytest", *PARALLEL, *existing(*together))
        # The other faults have the machine, and a process, to themselves.
        left_out = (f"--ignore={path}" for path in UNHURRIED)
        session.run("pytest", *left_out, *existing("tests/faults"))
        # The examples in docstrings; 5 = there are none.
        session.run("pytest", "--doctest-modules", "src/hhs_perf", success_codes=[0, 5])
    else:
        left_out = (f"--ignore-glob={pattern}" for pattern in NOT_EVERYWHERE)
        session.run("pytest", "--no-servers", BRIEF, *left_out, *PARALLEL, *existing("tests/unit"))


@nox.session(python=PYTHONS[0])
def lowest(session: nox.Session) -> None:
    """Unit and integration tests on the oldest versions of the dependencies that we promise."""
    ensure_redis(session)
    install(session, "test", extras=",".join(LOWEST), pins="constraints-lowest.txt")
    pytest = (
        *("pytest", BRIEF),
        # Old releases use what newer ones beneath them have deprecated: not ours to mend.
        *("-W", "ignore::DeprecationWarning", "-W", "ignore::PendingDeprecationWarning"),
        *(f"--ignore-glob={pattern}" for pattern in NOT_LOWEST),
    )
    if session.posargs:
        session.run(*pytest, *session.posargs)
    else:
        session.run(*pytest, *PARALLEL, *existing("tests/integration", "tests/unit"))


@nox.session(python=PYTHONS[0])
def sql20(session: nox.Session) -> None:
    """What reads SQLAlchemy from within, on its newest 2.0; ``tests`` has 2.1."""
    install(session, "test")
    session.install(SQLALCHEMY_20)
    if session.posargs:
        session.run("pytest", BRIEF, *session.posargs)
    else:
        # What stands on SQLAlchemy's insides; the rest is its documented face, or our own.
        served = (f"tests/integration/test_database_{name}.py" for name in ("counts", "pools"))
        rooms = (f"tests/unit/database/{room}" for room in ("seen", "n_plus_one", "pools"))
        scenarios = "tests/integration/test_n_plus_one_scenarios.py"
        session.run("pytest", BRIEF, *PARALLEL, *existing(*served, scenarios, *rooms))


@nox.session
def tdigest(session: nox.Session) -> None:
    """The contract of the digests on the second engine, which has to be compiled."""
    ensure_compiler(session)
    install(session, "test", extras="all,tdigest")
    session.run(
        "pytest",
        *(session.posargs or ["tests/unit/metrics/test_digest_contract.py"]),
        env={"HHS_PERF_DIGEST": "tdigest"},
    )


@nox.session
def docs(session: nox.Session) -> None:
    """Build the documentation; a warning fails it."""
    install(session, "docs")
    session.run("sphinx-build", "-W", "-n", "-q", "-E", "-b", "html", "docs", "docs/_build/html")


SMOKE = """
import sys
import hhs_perf
from importlib import metadata, resources
heavy = {"flask", "fastapi", "starlette", "httpx", "sqlalchemy", "click", "rich", "redis"}
assert not heavy & set(sys.modules), heavy & set(sys.modules)
assert "site-packages" in hhs_perf.__file__, hhs_perf.__file__
assert resources.files("hhs_perf").joinpath("py.typed").is_file()
assert all(hasattr(hhs_perf, name) for name in hhs_perf.__all__)
monitor = hhs_perf.Monitor.from_env()
monitor.close()
print("hhs-perf", metadata.version("hhs-perf"), "works without any extra")
"""


@nox.session
def wheel(session: nox.Session) -> None:
    """Build sdist and wheel (the wheel from the sdist); try the wheel alone, without extras."""
    session.install(*nox.project.dependency_groups(PYPROJECT, "build"), "-c", "constraints.txt")
    with tempfile.TemporaryDirectory() as folder:
        build = ("python", "-m", "build", "--installer", "uv")  # its isolation, without pip's time
        session.run(*build, "--outdir", folder, ".", silent=True)
        [built] = Path(folder).glob("*.whl")
        session.run("python", "-m", "venv", f"{folder}/clean")
        python = str(Path(folder, "clean", "Scripts" if os.name == "nt" else "bin", "python"))
        pip = (python, "-m", "pip", "install", "-q", "--disable-pip-version-check")
        session.run(*pip, str(built), "-c", "constraints.txt", external=True)
        session.run(python, "-I", "-c", SMOKE, external=True)


@nox.session
def soak(session: nox.Session) -> None:
    """Run the long campaigns whole; the tests session runs them in a bounded form."""
    ensure_redis(session)
    install(session, "test")
    session.run("pytest", "-m", "soak", "--timeout=3600", *(session.posargs or ["tests"]))


@nox.session
def bench(session: nox.Session) -> None:
    """Measure beside the peers, in an environment of their own."""
    ensure_redis(session)
    install(session, "test", "bench")
    session.run("pytest", "--timeout=0", "-s", *(session.posargs or ["benchmarks"]))


@nox.session(python=False)
def lock(session: nox.Session) -> None:
    """Renew the constraints: one file for all Pythons, names and versions, no addresses."""
    uv = (sys.executable, "-m", "uv", "pip", "compile", "pyproject.toml", "--universal")
    out = ("--upgrade", "--no-header", "--no-annotate", "-q", "-o")
    session.run(*uv, "--all-extras", "--group=dev", *out, "constraints.txt")
    lowest_of = [f"--extra={extra}" for extra in LOWEST]
    session.run(
        *uv,
        *lowest_of,
        "--group=test",
        "--resolution=lowest-direct",
        *out,
        "constraints-lowest.txt",
    )


if __name__ == "__main__":
    nox.main()
