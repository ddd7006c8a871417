"""uvicorn's HTTP protocol, with one decision, limits and refusals of our own added.

The decision: a plain POST of the hot route is answered here, when nothing on this connection waits
for an answer. Its answer may be pending; it then has its place in uvicorn's queue like any other,
and what comes after it is not read before it is written. Everything else is ASGI: other paths,
other methods, whatever is unusual about a request (HTTP/1.0, chunks, Expect, an odd media type),
and whatever comes before the answer to the request ahead of it has gone out. So uvicorn's queue of
answers is the only one, and no answer can overtake another.
"""

from __future__ import annotations

import logging
import time
from functools import partial
from typing import Any

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from fraud_scorer.http.asgi import problem_response
from fraud_scorer.http.connection import NEVER, ConnectionLimits, Deadline, Flow, bytes_waiting
from fraud_scorer.http.hot import PLAIN_MEDIA, Headers, HotRoute, rendered
from fraud_scorer.http.owed import Owed
from fraud_scorer.http.strictness import check_fields, check_size, check_unusual, too_large
from fraud_scorer.pipeline.pending import Pending
from fraud_scorer.problem import BAD_HTTP, INTERNAL, REQUEST_TIMEOUT, Problem

_BETWEEN, _HEAD, _BODY = range(3)
"""Where in a request a connection is."""

_SLICE = 16 * 1024
"""Bytes that are parsed before looking whether answers pile up."""

_LINGER_SECONDS = 1.0
_LINGER_BYTES = 1 << 20
"""How long, and how much of it, a refused client is still listened to: one that is cut off while it
writes may never see why."""

_GRACE_SECONDS = 1.0
"""What a connection that has not asked anything yet gets when the server goes away."""

_FRAMING_BYTES = 64 * 1024
_FRAMING_RATIO = 8
"""How much more than its content a body may be: chunk sizes, extensions, trailers."""

_log = logging.getLogger(__name__)


class _Finished(Exception):
    """The connection's last request has been read; nothing after it counts."""


class HttpProtocol(HttpToolsProtocol):
    """One connection."""

    flow: Flow

    def __init__(
        self, *uvicorn: Any, limits: ConnectionLimits, hot: HotRoute | None, **more: Any
    ) -> None:
        super().__init__(*uvicorn, **more)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=False)
        self._limits = limits
        self._hot = hot
        self._measured = limits.head_bytes < _SLICE
        """Whether a header that came in one piece can be too large."""
        self._deadline = Deadline(self.loop, self._missed)
        self._expires = NEVER
        self._waiting = 0
        """Requests that are not answered yet."""
        self._owed: Owed | None = None
        """The answer of the hot route that is pending, where one is."""
        self._unread = b""
        """Came while too many were waiting."""
        self._farewell = b""
        """An answer to no request, when it is its turn; the connection's last."""
        self._asked = False
        """Whether anything was ever asked."""
        self._last = False
        """Whether the last request has been read."""
        self._ended = False
        """Whether the client has said that it sends no more."""
        self._deaf = False
        """Whether what comes is thrown away."""
        self._lingered = 0
        # of the request that is being read
        self._phase = _BETWEEN
        self._timed = _BETWEEN
        self._slice = 0
        """Bytes in the slice that is parsed, as far as they belong to it alone."""
        self._begun = 0
        """Requests that began in it."""
        self._plain: tuple[int, Headers] | None = None
        """The length of the body and the header fields of what was just answered here."""
        self._bytes = 0
        self._content = 0
        self._fields: Headers = {}
        self._here: HotRoute | None = None
        """The route, where it is answered here."""
        self._counted = False
        self._context: Any = None
        self._began = 0.0
        self._chunks: list[bytes] = []

    # ---- from the transport

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self.flow = Flow(transport)
        now = self.loop.time()
        self._expires = self._limits.expiry(now)
        self._deadline.move(now + self._limits.idle_seconds)

    def connection_lost(self, exc: Exception | None) -> None:
        self._deadline.cancel()
        self._drop_hot(499)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        hot = self._hot
        if (
            hot is not None
            and self._phase is _BETWEEN
            and not (self._waiting or self._last or self._unread)
            and (found := hot.known.find(data)) is not None
        ):
            self._answer_known(hot, data, *found)
        elif self._deaf:
            self._linger(len(data))
        elif self._unread or self._owed is not None or len(data) > _SLICE:
            self._unread += data
            self._read_on()
        else:
            self._feed(data)

    def eof_received(self) -> bool:  # type: ignore[override]  # asyncio asks, uvicorn says nothing
        """The client sends no more, and may still listen: what it asked whole is answered."""
        self._ended = True
        return self._owes_answers()

    def pause_writing(self) -> None:
        super().pause_writing()
        self.flow.hold()
        self._deadline.move(self.loop.time() + self._limits.idle_seconds)

    def resume_writing(self) -> None:
        super().resume_writing()
        if not self._deaf:
            self._await_next()
        self._read_on()

    def shutdown(self) -> None:
        """End once everything that came is answered, read or not."""
        self._expires = 0.0  # the next answer is the last
        if self._waiting:
            self.cycle.keep_alive = False
        elif self._phase is not _BETWEEN or self._unread or self._deaf:
            return
        elif not self._asked:
            self._deadline.move(self.loop.time() + _GRACE_SECONDS)
        elif not bytes_waiting(self.transport):
            self.transport.close()

    # ---- reading

    def _read_on(self) -> None:
        """Parse what has come, in slices, for as long as answers do not pile up."""
        data, self._unread = self._unread, b""
        at = 0
        while at < len(data) and not self._deaf and not self._piled_up():
            self._feed(data[at : at + _SLICE])
            at += _SLICE
        if not self._deaf:
            self._unread = data[at:]
        if self.transport.is_closing():
            return
        if self._ended:
            if not self._owes_answers():
                self.transport.close()
        elif self._unread or self.flow.write_paused:
            self.flow.hold()
        elif self.flow.held:  # or a handler that is slow to read its body would have all of it here
            self.flow.release()

    def _owes_answers(self) -> bool:
        """Whether anything that came whole, or may have, has no answer yet."""
        return bool(self._unread or (self._waiting and self._phase is _BETWEEN))

    def _piled_up(self) -> bool:
        return (
            self._owed is not None
            or self.flow.write_paused
            or self._waiting > self._limits.pipelined
        )

    def _feed(self, data: bytes) -> None:
        between = self._phase is _BETWEEN
        self._slice = len(data)
        self._begun, self._plain = 0, None
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserError as error:
            self._unparsable(error)
        else:
            if self._phase is not _BETWEEN:
                self._incomplete()
            else:
                if not self._waiting:
                    self._deadline.move(self.loop.time() + self._limits.idle_seconds)
                if between and self._begun == 1 and self._hot is not None and self._plain:
                    self._hot.known.learn(data, *self._plain)

    def _incomplete(self) -> None:
        """A request has begun to come and is not all here: see that it does, and is no flood."""
        limits = self._limits
        self._bytes += self._slice
        if self._phase is _HEAD:
            if self._bytes > limits.head_bytes:
                self._refuse(too_large(limits.head_bytes))
                return
            seconds = limits.head_seconds
        else:
            if self._here is not None:
                if not self._counted:
                    self._counted = True
                    self._here.began()
            elif self._bytes > _FRAMING_RATIO * self._content + _FRAMING_BYTES:
                self._refuse(Problem(BAD_HTTP, "The body is chunks of next to nothing"))
                return
            seconds = limits.body_seconds
        if self._timed is not self._phase:  # once: dribbling buys no time
            self._timed = self._phase
            self._deadline.move(self.loop.time() + seconds)

    # ---- from the parser

    def on_message_begin(self) -> None:
        if self._last:
            raise _Finished
        self._begun += 1
        self._phase = _HEAD
        self._timed = _BETWEEN
        self._asked = True
        self._bytes = 0
        self.url = b""
        self.headers = []

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._phase is _HEAD:  # and not a trailer
            self.headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        headers = self.headers
        fields = dict(headers)
        if len(fields) != len(headers) or b"host" not in fields:
            check_fields(headers, self.parser.get_http_version())
        if self._measured or self._timed is _HEAD:
            check_size(headers, self.url, self._limits.head_bytes)
        hot = self._hot
        if hot is not None and not self._waiting and self._is_plain(hot, fields):
            try:
                self._context = hot.admit(fields)
            except Problem:
                self._leave_to_application(fields)
            else:
                self._here, self._fields = hot, fields
                self._began = time.monotonic()
        else:
            self._leave_to_application(fields)
        self._phase = _BODY

    def on_body(self, body: bytes) -> None:
        if self._here is not None:
            self._chunks.append(body)
        else:
            self._content += len(body)
            super().on_body(body)

    def on_message_complete(self) -> None:
        self._phase = _BETWEEN
        self._slice = 0  # what is left of it belongs to the next request
        if self._here is not None:
            self._answer(self._here)
        else:
            super().on_message_complete()

    def _is_plain(self, hot: HotRoute, fields: dict[bytes, bytes]) -> bool:
        """Whether this is a request of the hot route with nothing unusual about it."""
        parser = self.parser
        return (
            (self.url == hot.path or self.url.partition(b"?")[0] == hot.path)
            and fields.get(b"content-type") in PLAIN_MEDIA
            and int(fields.get(b"content-length", hot.body_bytes + 1)) <= hot.body_bytes
            and b"expect" not in fields
            and b"content-encoding" not in fields
            and parser.get_method() == b"POST"
            and parser.should_keep_alive()
            and (
                b"connection" not in fields
                or (parser.get_http_version() == "1.1" and not parser.should_upgrade())
            )
        )

    # ---- answering

    def _answer(self, hot: HotRoute) -> None:
        """Answer the request that has just been parsed, to the end of its body."""
        context, body = self._context, b"".join(self._chunks)
        self._plain = (len(body), self._fields)
        self._here = self._context = None
        self._chunks = []
        if self._counted:
            self._counted = False
            hot.ended()
            hot.arrived(context)
        self._write(hot, context, body, self._began, time.monotonic(), self.loop.time())

    def _answer_known(self, hot: HotRoute, data: bytes, body: bytes, fields: Headers) -> None:
        """Answer a request that needs no parsing, as its head has come before."""
        self._asked = True
        try:
            context = hot.admit(fields)
        except Problem:
            self._feed(data)
            return
        now, turn = time.monotonic(), self.loop.time()
        self._write(hot, context, body, now, now, turn)
        if self._owed is None:
            self._deadline.move(turn + self._limits.idle_seconds)

    def _write(
        self, hot: HotRoute, context: Any, body: bytes, began: float, now: float, turn: float
    ) -> None:
        """`turn`: when the loop turned to this, by its own clock."""
        last = hot.application.closing or self._expires <= turn
        transport, defaults = self.transport, self.server_state.default_headers
        answer = hot.answer(context, body, began, now, transport, defaults, last)
        if type(answer) is not bytes:
            self._owe(hot, answer, began)  # type: ignore[arg-type]
            return
        transport.write(answer)
        if last:
            self._end()

    def _owe(self, hot: HotRoute, answer: Pending[bytes], began: float) -> None:
        """Write an answer when it is there, and read nothing more before that."""
        hot.began()
        self._owed = Owed()
        self.cycle = self._owed  # type: ignore[assignment]
        self._waiting += 1
        self._deadline.move(NEVER)
        answer.then(partial(self._pay, hot, began))

    def _pay(self, hot: HotRoute, began: float, outcome: bytes | Exception) -> None:
        """The answer that was pending is here."""
        hot.ended()
        owed, self._owed = self._owed, None
        self._waiting -= 1
        gone = owed is None or owed.pay()
        now = self.loop.time()
        expired = self._expires <= now and not self.pipeline
        last = hot.application.closing or expired
        answer = hot.late(outcome, began, self.server_state.default_headers, last)
        if gone or self.transport.is_closing():
            return
        self.transport.write(answer)
        if last:
            self._end()
            return
        if self.pipeline:
            self.flow.resume_reading()
            self._start_asgi_task(*self.pipeline.pop())
        if self._rests():
            self._deadline.move(now + self._limits.idle_seconds)
        else:
            self._go_on()

    def _rests(self) -> bool:
        """Whether nothing came meanwhile, as mostly: there is nothing to go on with."""
        return self._phase is _BETWEEN and not (
            self._waiting or self._unread or self._ended or self._deaf or self._farewell
            or self.flow.write_paused or self.flow.held
        )  # fmt: skip

    def _end(self) -> None:
        """What was just written is the last."""
        self._last = self._deaf = True
        self._unread = b""
        self.pipeline.clear()
        self.transport.close()
        self._await_end()

    def _leave_to_application(self, fields: dict[bytes, bytes]) -> None:
        """Let uvicorn make an ASGI cycle of it, to be answered when its turn comes."""
        url, headers = self.url, self.headers
        version = self.parser.get_http_version()
        check_unusual(fields, url, version, self.parser.should_upgrade())
        super().on_message_begin()
        self.url = url
        self.headers += headers
        asks_first = fields.get(b"expect", b"").lower() == b"100-continue"
        self.expect_100_continue = asks_first and version == "1.1"  # 1.0 knows no such answer
        self._content = 0
        super().on_headers_complete()
        self._waiting += 1
        self._await_next()
        if self._expires <= self.loop.time():
            self.cycle.keep_alive = False
        self._last = not self.cycle.keep_alive

    def on_response_complete(self) -> None:
        self._waiting -= 1
        super().on_response_complete()
        self._unset_keepalive_if_required()
        if self.transport.is_closing():
            self._await_end()
            return
        self._go_on()

    def _go_on(self) -> None:
        """An answer has gone out: on to what comes after it."""
        if self._farewell and not self._waiting:
            self._part()
        elif not self._deaf:
            self._await_next()
        self._read_on()

    def _await_next(self) -> None:
        """Give whatever has to come next its time."""
        now = self.loop.time()
        if self.flow.write_paused:
            return  # that is waited for first
        if self._waiting:
            self._deadline.move(NEVER)
        elif self._phase is _BETWEEN:
            self._deadline.move(now + self._limits.idle_seconds)
        elif self._phase is _BODY:  # of a request that was answered without it
            self._deadline.move(now + self._limits.body_seconds)

    def _await_end(self) -> None:
        """Give the client its time to take the last answer."""
        self._deadline.move(self.loop.time() + self._limits.idle_seconds)

    # ---- refusing

    def _missed(self) -> None:
        """Something did not happen in time."""
        limits = self._limits
        if self.flow.write_paused or self.transport.get_write_buffer_size():
            self.transport.abort()  # nobody reads what was asked for; closing would wait for that
        elif self._deaf or (self._phase is _BETWEEN and not self._waiting):
            self.transport.close()
        elif self._phase is _HEAD:
            late = f"The header was not complete after {limits.head_seconds:g} s"
            self._refuse(Problem(REQUEST_TIMEOUT, late))
        elif self._here is not None:
            late = f"The body was not complete after {limits.body_seconds:g} s"
            self._refuse(Problem(REQUEST_TIMEOUT, late))
        elif self.cycle.response_complete:
            self.transport.close()
        # else a handler reads the body, and has a limit of its own

    def _unparsable(self, error: Exception) -> None:
        cause = error.__context__ if isinstance(error, httptools.HttpParserCallbackError) else None
        if isinstance(cause, _Finished) or (self._last and self._phase is _BETWEEN):
            self._deaf = True  # the last answer is on its way
        elif isinstance(cause, Problem):
            self._refuse(cause)
        elif isinstance(cause, httptools.HttpParserInvalidURLError):
            self._refuse(Problem(BAD_HTTP, "The request's target is not a URL"))
        elif cause is None:
            self._refuse(Problem(BAD_HTTP, str(error)))
        else:
            _log.error("a request could not be taken", exc_info=cause)
            self._refuse(Problem(INTERNAL, "The failure was logged"))

    def _refuse(self, problem: Problem) -> None:
        """Answer whatever is being read with that problem when its turn comes, and nothing more."""
        answer = rendered(problem_response(problem), self.server_state.default_headers, True)
        reading, self._phase = self._phase, _BETWEEN
        self._last = self._deaf = True
        self._unread = b""
        if self._here is not None:
            self._drop_hot(problem.status)
        elif reading is _BODY and not self._drop_cycle():
            answer = b""
        self._farewell = answer
        if not self._waiting:
            self._part()

    def _drop_hot(self, status: int) -> None:
        """Forget the request whose body is being read, if it was to be answered here."""
        if (hot := self._here) is None:
            return
        self._here, self._chunks = None, []
        if self._counted:
            self._counted = False
            hot.ended()
        hot.unanswered(status, self._began)

    def _drop_cycle(self) -> bool:
        """Take back the request whose body is being read. False: its answer has begun."""
        cycle = self.cycle
        if cycle.response_started:
            if not cycle.response_complete:
                self.transport.close()
            return False
        self._waiting -= 1
        if self.pipeline and self.pipeline[0][0] is cycle:
            self.pipeline.popleft()  # it has not begun
        else:
            cycle.disconnected = True
            cycle.message_event.set()
        return True

    def _part(self) -> None:
        """Say the last words, and listen for a moment to a client that is still writing."""
        self.transport.write(self._farewell)
        self._farewell = b""
        self.transport.write_eof()
        self._deadline.move(self.loop.time() + _LINGER_SECONDS)

    def _linger(self, received: int) -> None:
        self._lingered += received
        if self._lingered > _LINGER_BYTES:
            self.transport.close()
