"""The embedded default of a service without Redis and Postgres: features and claims in this
process's memory, records in one SQLite file.

It is for a laptop: one process, one file, no chain that would show tampering, no archive. Answers,
features and look-ups are the same as in production, by the same definitions and routes.

    data        the file, and the one thread that uses it
    records     every answer into it, before it is sent
    claims      who answers a transaction, so that it is answered once
    histories   what is kept of entities, of the newest so many of them
    features    the declared features out of these
    ledger      labels and look-ups
"""
