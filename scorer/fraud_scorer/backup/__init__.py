"""A second home for a detector's models: what is proven goes there, and comes back from there.

    index.py    what the backup holds, and how long each version is kept
    needed.py   what is to be in it: proven versions, those of the plan before all
    mirror.py   copies what is missing, reads everything back, lets go of what is old
    heal.py     what pods need is whole in their store, or is made whole again

The backup is laid out like a model store, and is one: a detector can be pointed at it.
"""
