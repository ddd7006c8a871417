"""The service's two ports: the API, and the management port beside it.

asgi.py        routes, methods, problems: an application small enough to read
body.py        a request's body, within limits
api.py         what the API port answers
openapi.py     the API's description, from its types and the model's features
management.py  liveness, readiness, metrics
protocol.py    uvicorn's HTTP protocol, with problems instead of plain text
server.py      both ports from start to drain
"""
