from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import attrs
import pytest

from hhs_perf import ConfigurationError, Settings
from hhs_perf._setting_rows import describe
from hhs_perf.cache.policy import LONGEST_TTL


def test_defaults_need_no_environment() -> None:
    settings = Settings.from_env({})
    assert settings.enabled
    assert settings.metrics.max_series == 2000
    assert settings.evaluation.evaluate_every == 15.0
    assert settings.web.tokens == ()


def test_all_mistakes_are_reported_at_once() -> None:
    with pytest.raises(ConfigurationError) as caught:
        Settings.from_env(
            {
                "HHS_PERF_ENABLED": "perhaps",
                "HHS_PERF_MAX_SERIES": "0",
                "HHS_PERF_EVALUATE_EVERY": "nan",
                "HHS_PERF_DIGEST": "hdr",
                "HHS_PERF_TOKENS": "root:hunter2-hunter2",
            }
        )
    assert [problem.split(":")[0] for problem in caught.value.problems] == [
        "HHS_PERF_ENABLED",
        "HHS_PERF_DIGEST",
        "HHS_PERF_MAX_SERIES",
        "HHS_PERF_EVALUATE_EVERY",
        "HHS_PERF_TOKENS",
    ]
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("text", ["inf", "-1", "0", "soon"])
def test_seconds_must_be_positive_and_finite(text: str) -> None:
    with pytest.raises(ConfigurationError, match="HHS_PERF_EVALUATE_EVERY"):
        Settings.from_env({"HHS_PERF_EVALUATE_EVERY": text})


def test_what_would_live_too_long_is_told_with_all_other_mistakes() -> None:
    """The cache refuses it as well, but without the name of the variable."""
    names = ("CACHE_L1_TTL", "CACHE_L2_TTL", "CACHE_DEFAULT_TIMEOUT")
    with pytest.raises(ConfigurationError) as caught:
        Settings.from_env({"HHS_PERF_ENABLED": "perhaps", **dict.fromkeys(names, "2592001")})
    assert [problem.split(":")[0] for problem in caught.value.problems] == [
        "HHS_PERF_ENABLED",
        *names,
    ]
    assert "at most 30 days" in caught.value.problems[1]
    assert Settings.from_env({"CACHE_L2_TTL": "2592000"}).cache.l2_ttl == LONGEST_TTL


def test_an_empty_variable_is_an_unset_one() -> None:
    assert Settings.from_env({"HHS_PERF_MAX_SERIES": ""}).metrics.max_series == 2000


def test_the_environment_wins_over_the_file(tmp_path: Path) -> None:
    file = tmp_path / "perf.toml"
    file.write_text(
        "[settings]\nHHS_PERF_MAX_SERIES = 50\nHHS_PERF_IGNORE_ROUTES = ['/a', '/b*']\n"
    )
    settings = Settings.from_env({"HHS_PERF_CONFIG": str(file), "HHS_PERF_MAX_SERIES": "70"})
    assert settings.metrics.max_series == 70
    assert settings.web.ignore_routes == ("/a", "/b*")
    sources = {row.variable: row.source for row in describe(settings)}
    assert sources["HHS_PERF_MAX_SERIES"] == "environment"
    assert sources["HHS_PERF_IGNORE_ROUTES"] == "file"
    assert sources["HHS_PERF_DIGEST"] == "default"


def test_mistakes_of_file_and_environment_come_together(tmp_path: Path) -> None:
    file = tmp_path / "perf.toml"
    file.write_text("[settings]\nHHS_PERF_MAXSERIES = 5\nHHS_PERF_DIGEST = {}\n")
    with pytest.raises(ConfigurationError) as caught:
        Settings.from_env({"HHS_PERF_CONFIG": str(file), "HHS_PERF_ENABLED": "2"})
    assert len(caught.value.problems) == 3
    assert f"{file}: settings.HHS_PERF_MAXSERIES: unknown setting" in caught.value.problems


@pytest.mark.parametrize("content", ["[settings", "settings = 3"])
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, content: str) -> None:
    file = tmp_path / "perf.toml"
    file.write_text(content)
    with pytest.raises(ConfigurationError, match=r"perf\.toml"):
        Settings.from_env({"HHS_PERF_CONFIG": str(file)})
    with pytest.raises(ConfigurationError, match="absent"):
        Settings.from_env({"HHS_PERF_CONFIG": str(tmp_path / "absent.toml")})


def test_misspelt_variables_are_kept_to_be_told() -> None:
    settings = Settings.from_env({"HHS_PERF_MAXSERIES": "1", "HHS_PERF_TOKEN": "x", "PATH": "/"})
    assert settings.unknown == ("HHS_PERF_MAXSERIES",)


def test_secrets_are_masked_wherever_settings_are_shown() -> None:
    settings = Settings.from_env({"HHS_PERF_TOKENS": "admin:ops=s3cret-s3cret"})
    shown = {row.variable: row.value for row in describe(settings)}
    assert shown["HHS_PERF_TOKENS"] == "********"
    assert "s3cret" not in repr(settings)


def test_settings_made_by_hand_say_so() -> None:
    from hhs_perf._settings import MetricsSettings

    rows = {row.variable: row for row in describe(Settings(metrics=MetricsSettings(max_series=9)))}
    assert (rows["HHS_PERF_MAX_SERIES"].source, rows["HHS_PERF_MAX_SERIES"].value) == ("code", "9")


def test_the_cache_has_the_defaults_of_the_guide() -> None:
    settings = Settings.from_env({})
    cache = settings.cache
    assert (cache.l1_maxsize, cache.l1_ttl, cache.l2_ttl) == (1000, 60.0, 300.0)
    assert (cache.default_timeout, cache.l2_timeout, cache.warm_workers) == (300.0, 0.05, 4)
    assert (cache.l1_maxbytes, cache.compress_above, cache.state_dir, cache.mac_keys) == (
        *(None, None, None),
        (),
    )
    assert (settings.redis.url, settings.redis.namespace) == (None, "default")


GUIDE = ["CACHE_L1_MAXSIZE", "CACHE_L1_TTL", "CACHE_L2_TTL", "CACHE_DEFAULT_TIMEOUT"]


@pytest.mark.parametrize("variable", GUIDE)
def test_each_variable_of_the_guide_moves_one_field(variable: str) -> None:
    field = variable.removeprefix("CACHE_").lower()
    moved = Settings.from_env({variable: "7"}).cache
    assert moved == attrs.evolve(Settings().cache, **{field: 7})


@pytest.mark.parametrize("variable", GUIDE)
def test_the_prefixed_name_wins_and_is_no_misspelling(variable: str) -> None:
    settings = Settings.from_env({variable: "7", f"HHS_PERF_{variable}": "8"})
    assert settings == attrs.evolve(
        Settings(), cache=Settings.from_env({variable: "8"}).cache, unknown=()
    )


def test_both_names_stand_in_a_file_and_the_environment_wins_whatever_its_name(
    tmp_path: Path,
) -> None:
    file = tmp_path / "perf.toml"
    file.write_text(
        "[settings]\nCACHE_L1_TTL = 1\nHHS_PERF_CACHE_L1_TTL = 2\nHHS_PERF_CACHE_L2_TTL = 3\n"
    )
    settings = Settings.from_env({"HHS_PERF_CONFIG": str(file), "CACHE_L2_TTL": "4"})
    assert (settings.cache.l1_ttl, settings.cache.l2_ttl) == (2, 4)
    sources = {row.variable: row.source for row in describe(settings)}
    assert (sources["CACHE_L1_TTL"], sources["CACHE_L2_TTL"]) == ("file", "environment")


def test_a_mistake_is_named_by_the_variable_that_was_set() -> None:
    with pytest.raises(ConfigurationError) as caught:
        Settings.from_env(
            {
                "CACHE_L1_TTL": "soon",
                "HHS_PERF_CACHE_L1_MAXSIZE": "0",
                "CACHE_L1_MAXSIZE": "5",
                "HHS_PERF_NAMESPACE": "a:b",
            }
        )
    assert [problem.split(":")[0] for problem in caught.value.problems] == [
        "HHS_PERF_NAMESPACE",
        "HHS_PERF_CACHE_L1_MAXSIZE",
        "CACHE_L1_TTL",
    ]


def test_the_password_of_redis_is_masked_wherever_settings_are_shown() -> None:
    url = "rediss://ops:s3cret@cache.internal:6380/2?ssl_password=s3cret"
    settings = Settings.from_env(
        {"REDIS_URL": url, "HHS_PERF_CACHE_MAC_KEYS": "k1:" + "s3cret" * 3}
    )
    assert settings.redis.url == url
    shown = {row.variable: row.value for row in describe(settings)}
    assert shown["REDIS_URL"] == "rediss://ops:********@cache.internal:6380/2?ssl_password=********"
    assert shown["HHS_PERF_CACHE_MAC_KEYS"] == "********"
    assert "s3cret" not in repr(settings)


@pytest.mark.parametrize("variable", ["REDIS_URL", "HHS_PERF_REDIS_URL"])
@pytest.mark.parametrize(
    "url",
    [
        "s3cret",
        "s3cret@cache:6379",
        "redis://s3cret@cache",
        "redis://:s3/cret@cache:6379/0",
        "redis://:s3#cret@cache",
        "redis://:s3?cret@cache",
        "redis://[s3cret",
        "redis://cache/s3cret",
        "rediss://cache?ssl_cert_reqs=s3cret",
        "redis://cache:s3cret",
    ],
)
def test_a_bad_redis_url_is_told_without_any_of_its_text(variable: str, url: str) -> None:
    with pytest.raises(ConfigurationError, match=f"^{variable}: ") as caught:
        Settings.from_env({variable: url})
    assert "s3" not in str(caught.value)
    assert "cret" not in str(caught.value)


def test_bad_mac_keys_are_told_by_their_numbers() -> None:
    text = "s3cret-without-a-colon-in-it,k1:s3cret,not an id:s3cret-s3cret-s3cret"
    with pytest.raises(ConfigurationError) as caught:
        Settings.from_env({"HHS_PERF_CACHE_MAC_KEYS": text})
    assert "s3cret" not in str(caught.value)
    assert [f"entry {n}" in str(caught.value) for n in (1, 2, 3)] == [True, True, True]


def test_mac_keys_keep_their_order_and_an_id_stands_once() -> None:
    secrets = ("new-new-new-new-new", "old-old-old-old-old")
    keys = Settings.from_env(
        {"HHS_PERF_CACHE_MAC_KEYS": f"k2:{secrets[0]}, k1:{secrets[1]}"}
    ).cache.mac_keys
    assert [(key.id, key.secret.decode()) for key in keys] == [
        ("k2", secrets[0]),
        ("k1", secrets[1]),
    ]
    with pytest.raises(ConfigurationError, match="'k1' stands twice"):
        Settings.from_env({"HHS_PERF_CACHE_MAC_KEYS": f"k1:{secrets[0]},k1:{secrets[1]}"})


def test_the_database_has_the_defaults_of_the_guide() -> None:
    database = Settings.from_env({}).database
    assert (database.url, database.read_replica_urls, database.read_replica) == (None, (), False)
    assert (database.pool_size, database.max_overflow) == (10, 20)
    assert (database.pool_timeout, database.pool_recycle) == (30.0, 3600.0)
    assert (database.slow_query, database.profiling, database.query_detail) == (0.1, False, "full")
    assert (database.n_plus_one, database.held_too_long) == ("record", 30.0)
    assert (database.replica_max_lag, database.replica_probe_every) == (1.0, 1.0)


@pytest.mark.parametrize("prefix", ["", "HHS_PERF_"])
@pytest.mark.parametrize(
    ("variable", "text", "moved"),
    [
        ("DATABASE_URL", " sqlite:///shop.db ", {"url": "sqlite:///shop.db"}),
        ("DATABASE_READ_REPLICA_URL", "sqlite://", {"read_replica_urls": ("sqlite://",)}),
        ("ENABLE_READ_REPLICA", "true", {"read_replica": True}),
        ("DB_POOL_SIZE", "0", {"pool_size": 0}),
        ("DB_MAX_OVERFLOW", "-1", {"max_overflow": -1}),
        ("DB_POOL_TIMEOUT", "0.5", {"pool_timeout": 0.5}),
        ("DB_POOL_RECYCLE", "-1", {"pool_recycle": -1.0}),
        ("DB_POOL_RECYCLE", "60", {"pool_recycle": 60.0}),
        ("ENABLE_QUERY_PROFILING", "on", {"profiling": True}),
    ],
)
def test_each_variable_of_the_guide_moves_one_field_of_the_database(
    prefix: str, variable: str, text: str, moved: dict[str, object]
) -> None:
    settings = Settings.from_env({prefix + variable: text})
    assert settings == attrs.evolve(Settings(), database=attrs.evolve(Settings().database, **moved))


def test_mistakes_about_the_database_are_told_together() -> None:
    with pytest.raises(ConfigurationError) as caught:
        Settings.from_env(
            {
                "DB_POOL_SIZE": "-1",
                "DB_MAX_OVERFLOW": "-2",
                "HHS_PERF_DB_POOL_RECYCLE": "0",
                "HHS_PERF_QUERY_DETAIL": "some",
                "HHS_PERF_N_PLUS_ONE": "shout",
            }
        )
    assert caught.value.problems == (
        "DB_POOL_SIZE: must be at least 0, got -1",
        "DB_MAX_OVERFLOW: must be at least -1, got -2",
        "HHS_PERF_DB_POOL_RECYCLE: must be more than 0 seconds and finite, got 0",
        "HHS_PERF_QUERY_DETAIL: must be full or timing, got 'some'",
        "HHS_PERF_N_PLUS_ONE: must be record, warn, raise or off, got 'shout'",
    )


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("sqlite://", "sqlite://"),
        ("sqlite:////srv/a@b:c.db", "sqlite:////srv/a@b:c.db"),
        ("postgresql://ops@db/shop", "postgresql://ops@db/shop"),
        ("postgresql://ops:s3cret@[::1]:5432/shop", "postgresql://ops:********@[::1]:5432/shop"),
        ("postgresql://o:s3/c:r?e#t@db/shop?a=b", "postgresql://o:********@db/shop?a=b"),
        ("postgresql://o:s3%40cret@/shop?host=/run", "postgresql://o:********@/shop?host=/run"),
        (
            "mysql+asyncmy://db/shop?ssl_ca=/ca&sslPassword=s3cret&p%61sswd=s3cret&charset=utf8",
            "mysql+asyncmy://db/shop?ssl_ca=/ca&sslPassword=********&p%61sswd=********&charset=utf8",
        ),
        ("mssql+pyodbc:///?odbc_connect=PWD%3Ds3cret", "mssql+pyodbc:///?odbc_connect=********"),
    ],
)
def test_the_password_of_a_database_is_masked_wherever_settings_are_shown(
    url: str, shown: str
) -> None:
    environ = {"DATABASE_URL": url, "DATABASE_READ_REPLICA_URL": f"{url}, {url}"}
    settings = Settings.from_env(environ)
    assert settings.database.url == url
    assert settings.database.read_replica_urls == (url, url)
    rows = {row.variable: row.value for row in describe(settings)}
    assert rows["DATABASE_URL"] == shown
    assert rows["DATABASE_READ_REPLICA_URL"] == f"{shown},{shown}"
    assert shown in repr(settings)
    assert url == shown or url not in repr(settings)


def test_a_comma_separates_replicas_only_where_a_url_follows() -> None:
    hosts = "postgresql://o:a,b@/shop?host=one:1,two:2"
    found = Settings.from_env({"DATABASE_READ_REPLICA_URL": f" {hosts} , sqlite:///x.db, "})
    assert found.database.read_replica_urls == (hosts, "sqlite:///x.db")


@pytest.mark.parametrize("variable", ["DATABASE_URL", "HHS_PERF_DATABASE_READ_REPLICA_URL"])
@pytest.mark.parametrize(
    "url",
    [
        "s3cret",
        "s3cret@db:5432/shop",
        "://o:s3cret@db/shop",
        "jdbc:postgresql://o:s3cret@db/shop",
        "postgresql:/o:s3cret@db/shop",
        "postgresql://o:s3@cret@db/shop",
        "postgresql://o:3/s3@cret@db/shop",
        "postgresql://db:s3cret/shop",
        "postgresql://db:/s3cret",
    ],
)
def test_a_bad_database_url_is_told_without_any_of_its_text(variable: str, url: str) -> None:
    with pytest.raises(ConfigurationError, match=f"^{variable}: ") as caught:
        Settings.from_env({variable: url})
    assert "s3" not in str(caught.value)
    assert "cret" not in str(caught.value)


def test_a_replica_without_a_scheme_is_not_taken_for_a_part_of_the_one_before() -> None:
    with pytest.raises(ConfigurationError, match="entry 1: what follows a comma"):
        Settings.from_env({"DATABASE_READ_REPLICA_URL": "postgresql://one/shop,two/shop"})
    with pytest.raises(ConfigurationError, match="entry 2: must be dialect"):
        Settings.from_env({"DATABASE_READ_REPLICA_URL": "sqlite://,postgresql://o:a@b@c/shop"})


def test_reading_a_database_url_does_not_load_sqlalchemy() -> None:
    code = (
        "import sys; from hhs_perf import Settings;"
        "Settings.from_env({'DATABASE_URL': 'postgresql://a:b@c/d?password=e'});"
        "assert 'sqlalchemy' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
