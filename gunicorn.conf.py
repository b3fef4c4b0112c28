"""gunicorn for every door; YUNLIAN_DOORS says which one this process is.

TLS doors and the plain door use gevent workers, as silent connections delayed thread workers for seconds, with
connections shared out evenly (app/even.py).
The workshop computes and nothing else, so its workers are plain processes.
"""

import os

_DOOR = os.environ.get("YUNLIAN_DOORS", "people")
if _DOOR != "workshop":
    # Before anything else is imported; psycopg looks for gevent when it is imported, so it must come after.
    from gevent import monkey

    monkey.patch_all()

if _DOOR == "platforms":
    # A statement takes a tenth of a millisecond, and waiting for it through gevent's loop costs several times that:
    # one commit for everybody who is ready, and nobody switches in the middle of a transaction, as with SQLite.
    os.environ.setdefault("PSYCOPG_WAIT_FUNC", "wait_c")

import gc
import ssl
from pathlib import Path

_VAR = Path(os.environ.get("YUNLIAN_VAR", "var")).resolve()
_RUN = _VAR / "run"
_RUN.mkdir(parents=True, exist_ok=True, mode=0o700)


def _listener() -> str:
    defaults = {
        "people": "localhost:8443",
        "platforms": "localhost:9443",
        "pki": "localhost:8080",
        "workshop": f"unix:{_RUN / 'workshop.sock'}",
    }
    return os.environ.get(f"YUNLIAN_{_DOOR.upper()}_BIND", defaults[_DOOR])


bind = _listener()
proc_name = f"yunlian-{_DOOR}"
worker_class = "sync" if _DOOR == "workshop" else "app.even.EvenWorker"
workers = int(os.environ.get(f"YUNLIAN_{_DOOR.upper()}_WORKERS", "2" if _DOOR == "platforms" else "1"))
worker_connections = 1000
backlog = 32 if _DOOR == "workshop" else 1024
timeout = 90 if _DOOR == "workshop" else 30
graceful_timeout = 10
keepalive = 30
preload_app = True
umask = 0o077
control_socket_disable = True
accesslog = None  # app/security.py writes it, without paths
loglevel = "warning"
worker_tmp_dir = "/dev/shm" if os.path.isdir("/dev/shm") else None  # noqa: S108 - heartbeats only, no content

_TLS = os.environ.get("YUNLIAN_TLS", "on") != "off"  # off: a proxy in front ends it, on this machine
if _TLS and _DOOR in {"people", "platforms"}:
    # The door's TLS key is a file of its own (0600), never one of the sealed keys.
    certfile = os.environ.get("YUNLIAN_TLS_CERTIFICATE", str(_VAR / "tls" / "door.pem"))
    keyfile = os.environ.get("YUNLIAN_TLS_KEY", str(_VAR / "tls" / "door.key"))
if _TLS and _DOOR == "platforms":
    cert_reqs = ssl.CERT_OPTIONAL
    ca_certs = os.environ.get("YUNLIAN_TLS_CLIENT_CA", str(_VAR / "tls" / "client-ca.pem"))


def ssl_context(config, default_factory):  # type: ignore[no-untyped-def]
    """TLS 1.2 and newer, as FAPI 2.0 §5.2.1 asks."""
    context = default_factory()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def post_worker_init(worker):  # type: ignore[no-untyped-def]
    """What is loaded stays; the collector need not look at hundreds of thousands of objects again and again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)


def when_ready(server):  # type: ignore[no-untyped-def]
    """The workshop's models and the bank directory are read once, before the first worker is forked, and shared."""
    if _DOOR == "platforms":
        from app.routing.service import prepare
        from app.wiring import EXTENSION

        services = server.app.wsgi().extensions.get(EXTENSION)
        if services is not None:  # the yardstick of the benchmarks has none
            prepare(services)
    if _DOOR == "workshop":
        from app.wiring import EXTENSION
        from kyc.engine import load_engine

        load_engine(server.app.wsgi().extensions[EXTENSION].settings.landmarks)


def post_fork(server, worker):  # type: ignore[no-untyped-def]
    """Database connections are never shared across a fork."""
    from app import writing
    from app.wiring import EXTENSION

    services = server.app.wsgi().extensions.get(EXTENSION)
    if services is not None:
        services.engine.dispose(close=False)
        writing.after_fork(services)


def pre_fork(server, worker):  # type: ignore[no-untyped-def]
    """Every worker has a place at which it is seen how many connections it has."""
    if _DOOR != "workshop":
        from app.even import give_place

        give_place(worker, server.WORKERS.values())


def child_exit(server, worker):  # type: ignore[no-untyped-def]
    """Its connections have ended with it."""
    if _DOOR != "workshop":
        from app.even import take_place_back

        take_place_back(worker)
