"""How Sphinx builds these pages."""

from importlib.metadata import version as _version

project = "hhs_perf"
author = "the hhs_perf maintainers"
copyright = f"2026, {author}"  # noqa: A001 - Sphinx wants this name
release = version = _version("hhs-perf")

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
]
myst_enable_extensions = ["colon_fence", "deflist", "fieldlist"]
myst_heading_anchors = 3
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented"
autodoc_member_order = "bysource"
napoleon_google_docstring = True
napoleon_numpy_docstring = False
exclude_patterns = ["_build"]
# Type variables, and what stands in the docs of others or is private.
nitpick_ignore_regex = [
    ("py:class", r"(.+\.)?[A-Z]"),
    (
        "py:class",
        r"cachetools\..+|collections\.abc\..+|Path|PathLike|Clock|Faults|Credentials|Platform",
    ),
    ("py:class", r"Abilities|(Async)?Engine|Connection|hhs_perf\.database\.partitions\..+"),
]

html_theme = "furo"
html_title = f"hhs_perf {release}"
