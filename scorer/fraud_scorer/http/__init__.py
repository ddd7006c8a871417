"""The service's two ports: the API in serving processes, the management port in their parent.

What is answered
    asgi.py        routes, methods, problems: an application small enough to read
    body.py        a request's body, within limits
    api.py         what the API port answers
    openapi.py     the API's description, from its types and the model's features
    hot.py         the one route that is answered without ASGI
    management.py  liveness, readiness, metrics
    exposition.py  what all processes counted, in Prometheus' format
How it comes and goes
    protocol.py    one connection: uvicorn's HTTP protocol, with the hot route, limits, refusals
    connection.py  what a connection may take; its one timer, its flow control
    strictness.py  what is refused although it could be parsed
    lag.py         how far a process is behind, and when it turns requests away
    server.py      one port from start to end
Processes
    sockets.py     addresses that several processes listen at
    children.py    starting a serving process
    control.py     what it tells its parent
    worker.py      a serving process, from its model to its last answer
    supervisor.py  the parent
"""
