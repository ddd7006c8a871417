"""Features that are kept of entities: windows, delayed label rates, look-ups.

`layout` turns a manifest's declarations into tables of buckets, `state` is the one definition of
what is in them, `values` makes features of their totals. Training goes through `offline`, serving
through `online`: Redis (`observe.lua` says again what `state` says, and is held to it), then
Postgres, then the population's defaults. docs/features.md has the semantics.
"""
