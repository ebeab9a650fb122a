"""One file per web framework, each with the same call: `init_app(app, monitor)`."""
