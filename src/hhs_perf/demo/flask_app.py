"""The demo as a Flask application, measured by hhs_perf."""

from __future__ import annotations

import weakref

from flask import Flask, Response, abort, jsonify, request
from flask.typing import ResponseReturnValue

from hhs_perf import Monitor
from hhs_perf.adapters.flask import init_app

from .cached import CachedFigures
from .queries import Figures

__all__ = ["create_app"]


def create_app(figures: Figures | None = None) -> Flask:
    """Build the application on `figures`, or on the database of `DATABASE_URL`."""
    figures = figures or Figures.from_env()
    app = Flask(__name__)
    monitor = init_app(app, Monitor.from_env())
    monitor.database.instrument()  # every engine of the process
    _add_lists(app, figures, CachedFigures(figures, monitor.cache))
    _add_streams(app, figures)
    _add_troublemakers(app, figures)
    weakref.finalize(app, figures.close)
    monitor.start()  # the cache is warm before the first request
    return app


def _add_lists(app: Flask, figures: Figures, cached: CachedFigures) -> None:
    @app.get("/api/summary")
    def summary() -> ResponseReturnValue:
        return jsonify(cached.summary())

    @app.get("/api/accounts")
    def accounts() -> ResponseReturnValue:
        limit = request.args.get("limit", default=20, type=int)
        offset = request.args.get("offset", default=0, type=int)
        if not 1 <= limit <= 100 or offset < 0:  # noqa: PLR2004 -- the page sizes allowed
            abort(400)
        platform = request.args.get("platform")
        return jsonify(cached.accounts(platform=platform, limit=limit, offset=offset))

    @app.get("/api/accounts/<int:account_key>")
    def account(account_key: int) -> ResponseReturnValue:
        return jsonify(cached.account(account_key) or abort(404))

    @app.get("/api/accounts/<int:account_key>/history")
    def history(account_key: int) -> ResponseReturnValue:
        return jsonify(figures.history(account_key) or abort(404))


def _add_streams(app: Flask, figures: Figures) -> None:
    @app.get("/api/export")
    def export() -> ResponseReturnValue:
        if request.args.get("format") == "csv":
            return Response(figures.export("csv"), mimetype="text/csv")
        return Response(figures.export("ndjson"), mimetype="application/x-ndjson")

    @app.get("/api/events")
    def events() -> ResponseReturnValue:
        return Response(figures.events(), mimetype="text/event-stream")


def _add_troublemakers(app: Flask, figures: Figures) -> None:
    @app.get("/api/organizations")
    def organizations() -> ResponseReturnValue:
        return jsonify(figures.organizations(request.args.get("platform", "X")))

    @app.get("/api/mentions")
    def mentions() -> ResponseReturnValue:
        return jsonify(figures.mentions(20))

    @app.get("/api/slow")
    def slow() -> ResponseReturnValue:
        return jsonify(figures.slow_report())

    @app.get("/api/broken")
    def broken() -> ResponseReturnValue:
        raise RuntimeError("this view fails on purpose")
