"""Redis, as a request can afford it: a connection a process, a turn of the event loop at once."""
