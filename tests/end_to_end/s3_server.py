"""A local S3 server (moto): `python -m tests.end_to_end.s3_server` prints its address and serves until it is ended."""

import threading
from collections.abc import Iterable
from typing import Any

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import make_server


def one_write_at_a_time(app: Any) -> Any:
    """S3 looks whether an object is there and writes it in one step; moto does so in two."""
    turn = threading.Lock()

    def serve(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        if environ["REQUEST_METHOD"] in ("GET", "HEAD"):
            return app(environ, start_response)
        with turn:
            return list(app(environ, start_response))

    return serve


def read_only(app: Any) -> Any:
    """Whoever asks may read the bucket of that name and not write to it."""

    def serve(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        writes = environ["REQUEST_METHOD"] not in ("GET", "HEAD") and environ["PATH_INFO"].startswith("/read-only/")
        if not writes:
            return app(environ, start_response)
        start_response("403 Forbidden", [("Content-Type", "application/xml")])
        return [b"<?xml version='1.0'?><Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>"]

    return serve


def main() -> None:
    app = DomainDispatcherApplication(create_backend_app)
    server = make_server("127.0.0.1", 0, read_only(one_write_at_a_time(app)), threaded=True)
    print(f"http://127.0.0.1:{server.server_port}", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
