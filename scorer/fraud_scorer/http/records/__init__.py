"""What is known of transactions and people, and what turned out to be true, over the API port.

access.py        Postgres, asked from a few threads and never from the event loop
labels.py        POST /v1/labels
transactions.py  GET /v1/transactions/{id}, in Postgres and in the archive
lists.py         GET and POST /v1/lists
users.py         GET /v1/users/{id}/features
bodies.py        what comes one, many, or a line each
queries.py       what a URL asks besides its path
refreshing.py    kept features of those whom a label is about
routes.py        all of them as routes
description.py   all of them as OpenAPI tells of them

Nobody's score waits for any of this, and each look is logged with who looked. Where Postgres cannot
be asked the answer is a 503 that says so, in bounded time; nothing is acknowledged that is not
recorded.
"""
