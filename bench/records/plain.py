"""The same path as a team writes it by hand: python plain.py MODEL PORT REDIS_URL POSTGRES_DSN.

A request is parsed, its customer's and terminal's features are one call of redis-py, the model is
ours, the record is one insert by asyncpg, and then it is answered. No framework; uvicorn with
uvloop and httptools, features and pools as the deployment guide has them. Nobody updates the
features here: a job of its own would.
"""

import datetime
import sys
import uuid
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import asyncpg
import msgspec
import redis.asyncio
import uvicorn

from fraud_scorer import engine

POOL, REDIS_POOL = 20, 40
INSERT = (
    "INSERT INTO predictions (prediction_id, transaction_id, user_id, timestamp, amount_minor,"
    " currency, entities, features, fraud_score, decision)"
    " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)"
)
JSON = [(b"content-type", b"application/json")]
Send = Callable[[dict[str, Any]], Awaitable[None]]
Receive = Callable[[], Awaitable[dict[str, Any]]]


class Transaction(msgspec.Struct):
    """The same envelope as the scorer's."""

    transaction_id: str
    event_time: datetime.datetime
    entities: dict[str, str]
    amount_minor: int
    currency: str
    features: dict[str, float]


class Plain:
    """An ASGI application with one route."""

    def __init__(self, model: Path, redis_url: str, dsn: str) -> None:
        self.model = engine.load(model)
        pool = redis.asyncio.BlockingConnectionPool.from_url(redis_url, max_connections=REDIS_POOL)
        self.redis = redis.asyncio.Redis(connection_pool=pool)
        self.dsn = dsn
        self.pool: Any = None
        self.decode = msgspec.json.Decoder(Transaction).decode

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await receive()
            self.pool = await asyncpg.create_pool(self.dsn, min_size=POOL, max_size=POOL)
            await send({"type": "lifespan.startup.complete"})
            await receive()
            await self.pool.close()
            await send({"type": "lifespan.shutdown.complete"})
            return
        answer = b"{}" if scope["method"] == "GET" else await self.score(await _body(receive))
        length = (b"content-length", b"%d" % len(answer))
        await send({"type": "http.response.start", "status": 200, "headers": [*JSON, length]})
        await send({"type": "http.response.body", "body": answer})

    async def score(self, body: bytes) -> bytes:
        """The whole path."""
        one = self.decode(body)
        row = dict(one.features)
        keys = [f"{kind}:{who}:features" for kind, who in one.entities.items()]
        for found in await self.redis.mget(keys):
            if found is not None:
                row |= msgspec.json.decode(found)
        score = self.model.score_one(row)
        decision = "decline" if score >= 0.9 else "review" if score >= 0.5 else "approve"
        prediction_id = str(uuid.uuid4())
        await self.pool.execute(
            INSERT, prediction_id, one.transaction_id, one.entities["customer"], one.event_time,
            one.amount_minor, one.currency, msgspec.json.encode(one.entities).decode(),
            msgspec.json.encode(row).decode(), score, decision,
        )  # fmt: skip
        return msgspec.json.encode(
            {"prediction_id": prediction_id, "score": score, "decision": decision}
        )


async def _body(receive: Receive) -> bytes:
    body, more = b"", True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    return body


if __name__ == "__main__":
    where, port, redis_url, dsn = sys.argv[1:]
    uvicorn.run(
        Plain(Path(where), redis_url, dsn), port=int(port), loop="uvloop", http="httptools",
        access_log=False, log_level="warning",
    )  # fmt: skip
