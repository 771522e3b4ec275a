"""Going from server to server until one serves."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence

from millrace.connection import Connection
from millrace.errors import MillraceError
from millrace.options import OnReconnect, ReconnectEvent
from millrace.rpc_error import to_client_error

_BASE_SECONDS = 0.5
_MAX_SECONDS = 30.0


def backoff_seconds(attempt: int, uniform: Callable[[], float] = random.random) -> float:
    """Seconds to wait before try `attempt` + 1: full jitter, as by Brooker, "Exponential Backoff And Jitter" (2015)."""
    return uniform() * min(_MAX_SECONDS, _BASE_SECONDS * float(1 << min(attempt, 30)))


class Failover:
    """Whose turn it is. The others are tried at once; only when each has failed does the client wait."""

    def __init__(
        self,
        connections: Sequence[Connection],
        *,
        first: int,
        give_up_seconds: float,
        on_reconnect: OnReconnect | None,
        wait: Callable[[float], object],
    ) -> None:
        self._connections = connections
        self._index = first
        self._first = first
        self._give_up_seconds = give_up_seconds
        self._on_reconnect = on_reconnect
        self._wait = wait
        self._attempt = 0
        self._failing_since: float | None = None

    @property
    def connection(self) -> Connection:
        """The server to use now."""
        return self._connections[self._index % len(self._connections)]

    def progressed(self) -> None:
        """The server in use served: sets the clock of failures back."""
        self._attempt = 0
        self._failing_since = None

    def failed(self, cause: Exception) -> None:
        """Moves on to the next server, after a wait when all have failed.

        Raises the cause as a MillraceError when no other try can mend it, ERR_UNAVAILABLE when tries have failed for too long.
        """
        server = self.connection.server
        error = to_client_error(cause, server, self.connection.tls)
        now = time.monotonic()
        self._failing_since = self._failing_since or now
        if not error.is_retryable:
            raise error from cause
        if now - self._failing_since > self._give_up_seconds:
            names = ", ".join(connection.server for connection in self._connections)
            raise MillraceError(
                "ERR_UNAVAILABLE",
                f"no server of {names} served for {self._give_up_seconds:g} s (give_up_seconds); the last one said: {error}",
            ) from cause
        self._index += 1
        seconds = 0.0
        if (self._index - self._first) % len(self._connections) == 0:
            seconds = backoff_seconds(self._attempt)
            self._attempt += 1
        if self._on_reconnect is not None:
            self._on_reconnect(ReconnectEvent(server, str(error), seconds))
        if seconds:
            self._wait(seconds)
