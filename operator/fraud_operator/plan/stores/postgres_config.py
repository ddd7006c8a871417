"""How Postgres is configured: by its memory and its volume, and with what a payment needs.

Nothing here is a secret, and nothing that a client sends is logged: parameters and failing
statements may be about a person.
"""

from __future__ import annotations

_MIB = 1 << 20
_GIB = 1 << 30
_LEAST_WAL, _MOST_WAL = 256, 16 * 1024
"""Mebibytes between two checkpoints."""

CONFIG_FILE, HBA_FILE = "postgresql.conf", "pg_hba.conf"

HBA = """\
# Inside the pod: the entry point, and whoever may run commands there.
local  all  all                 trust
# Everybody else shows a password, which never crosses the network.
host   all  all  all            scram-sha-256
"""


def postgresql_conf(memory: int, storage: int, connections: int, folder: str) -> str:
    """The file, for so many bytes of memory and of volume. `folder` is where the files are."""
    settings: dict[str, str | int] = {
        "listen_addresses": "'*'",
        "hba_file": f"'{folder}/{HBA_FILE}'",
        "password_encryption": "'scram-sha-256'",
        "max_connections": connections,
        "superuser_reserved_connections": 3,
        **_memory(memory, connections),
        **_log(storage),
        # What holds locks or rows up is ended; roles of scorers have closer limits of their own.
        "statement_timeout": "'1h'",
        "idle_in_transaction_session_timeout": "'5min'",
        "client_connection_check_interval": "'10s'",
        "tcp_keepalives_idle": 60,
        "tcp_keepalives_interval": 10,
        "tcp_keepalives_count": 3,
        "random_page_cost": "1.1",
        "effective_io_concurrency": 64,
        "default_statistics_target": 200,
        "autovacuum_vacuum_insert_scale_factor": "0.05",
        "timezone": "'UTC'",
        "log_timezone": "'UTC'",
        "log_destination": "'stderr'",
        "logging_collector": "off",
        "log_checkpoints": "on",
        "log_lock_waits": "on",
        "log_autovacuum_min_duration": "'10s'",
        "log_min_error_statement": "'panic'",
        "log_parameter_max_length_on_error": 0,
    }
    return "".join(f"{name} = {value}\n" for name, value in settings.items())


def _memory(memory: int, connections: int) -> dict[str, str | int]:
    """A quarter is shared, and what is left is divided by what all connections may sort at once."""
    shared = memory // 4
    work = (memory - shared) // (connections * 3)
    return {
        "shared_buffers": _mib(max(16 * _MIB, shared)),
        "effective_cache_size": _mib(max(32 * _MIB, memory * 3 // 4)),
        "maintenance_work_mem": _mib(min(2 * _GIB, max(16 * _MIB, memory // 16))),
        "work_mem": _mib(min(64 * _MIB, max(1 * _MIB, work))),
        "huge_pages": "'try'",
    }


def _log(storage: int) -> dict[str, str | int]:
    """A twentieth of the volume between two checkpoints, and another for what archiving is behind
    with. Archiving takes a restart to turn on, and none to be given its command: so it is on."""
    twentieth = storage // 20 // _MIB
    wal = min(_MOST_WAL, max(_LEAST_WAL, twentieth))
    return {
        "wal_level": "'replica'",
        "archive_mode": "on",
        "archive_command": "'/bin/true'",
        "max_wal_senders": 10,
        "max_wal_size": f"'{wal}MB'",
        "min_wal_size": f"'{max(80, wal // 4)}MB'",
        "max_slot_wal_keep_size": f"'{wal}MB'",
        "wal_compression": "lz4",
        "checkpoint_timeout": "'15min'",
        "checkpoint_completion_target": "0.9",
    }


def _mib(size: int) -> str:
    return f"'{size // _MIB}MB'"
