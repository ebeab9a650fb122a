"""Functions of which it is known that they only read."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["calls_unknown", "is_harmless"]


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# The server's own. Others may write: only the host's database knows.
_HARMLESS: Final = _words(
    """
    count sum avg min max every bool_and bool_or array_agg string_agg aggregate_strings group_concat
    json_agg jsonb_agg json_object_agg jsonb_object_agg stddev stddev_pop stddev_samp variance
    var_pop var_samp corr percentile_cont percentile_disc mode grouping grouping_sets cube rollup
    row_number rank dense_rank percent_rank cume_dist ntile lag lead first_value last_value
    nth_value
    coalesce nullif greatest least ifnull
    lower upper initcap length char_length character_length octet_length bit_length trim ltrim rtrim
    btrim lpad rpad left right substr substring position strpos replace translate reverse repeat
    concat concat_ws split_part overlay format ascii chr md5 sha256 encode decode quote_literal
    quote_ident regexp_replace regexp_match regexp_matches regexp_split_to_array similarity
    word_similarity unaccent starts_with instr
    abs ceil ceiling floor round trunc mod power pow sqrt exp ln log sign random width_bucket
    now current_timestamp current_date current_time localtime localtimestamp clock_timestamp
    statement_timestamp transaction_timestamp date_trunc date_part date_bin extract age make_date
    make_interval make_timestamp make_timestamptz justify_interval to_char to_date to_timestamp
    to_number timezone date time datetime strftime julianday unixepoch sysdate
    array_length array_position array_to_string array_remove array_append cardinality unnest
    generate_series generate_subscripts string_to_array
    json_build_object jsonb_build_object json_build_array jsonb_build_array json_extract
    json_extract_path jsonb_extract_path json_extract_path_text jsonb_extract_path_text
    json_array_length jsonb_array_length json_array_elements jsonb_array_elements
    json_array_elements_text jsonb_array_elements_text json_each jsonb_each json_each_text
    jsonb_each_text json_typeof jsonb_typeof jsonb_set jsonb_path_query jsonb_path_exists
    row_to_json to_json to_jsonb
    to_tsvector to_tsquery plainto_tsquery phraseto_tsquery websearch_to_tsquery ts_rank ts_rank_cd
    ts_headline setweight
    gen_random_uuid uuidv4 uuidv7 uuid_generate_v4
    version current_user session_user user current_schema current_database current_setting
    pg_is_in_recovery pg_backend_pid pg_typeof pg_sleep pg_size_pretty pg_relation_size
    pg_total_relation_size pg_database_size to_regclass has_table_privilege
    """
)
# What else stands before a parenthesis.
_WORDS: Final = _words(
    """
    select distinct on from where and or not in exists any all some between like ilike similar to
    is as using join lateral with recursive materialized values union except intersect group
    by sets having order limit offset fetch first next over partition filter within window case when
    then else end cast row array explain table only tablesample bernoulli system return interval
    numeric decimal dec varchar char character varying bit float timestamp time nchar
    """
)
_CALL: Final = re.compile(
    r"(?<![\w$])(?:(?P<schema>[\w$]+|\0)\s*\.\s*)?(?P<name>[^\W\d][\w$]*)\s*\("
)


def is_harmless(name: str, schema: Sequence[str] = ()) -> bool:
    """Tell whether a function is known to only read, wherever it runs."""
    return name.lower() in _HARMLESS and tuple(schema) in {(), ("pg_catalog",)}


def calls_unknown(bare: str) -> bool:
    r"""Tell whether a text calls any other; literals and comments are left out, `\0` is a name."""
    for found in _CALL.finditer(bare):
        schema, name = found["schema"], found["name"]
        if schema is None:
            if name.lower() not in _WORDS and not is_harmless(name):
                return True
        elif not is_harmless(name, (schema.lower(),)):
            return True
    return False
