"""Runs the python blocks of README.md and of the pages under docs/ as tests."""

from sybil import Sybil
from sybil.parsers.markdown import PythonCodeBlockParser, SkipParser

pytest_collect_file = Sybil(
    parsers=[PythonCodeBlockParser(), SkipParser()],
    patterns=["README.md", "docs/*.md", "docs/**/*.md"],
    # The examples say Flask(__name__), as an application's module does.
    setup=lambda namespace: namespace.update(__name__="example"),
).pytest()
