"""How a pod follows its model plan: the parent decides, its serving processes do.

The parent of the serving processes owns the plan. It fetches the files once for all of them, tells
them what to hold and, when each has proven a revision for itself, who answers. A switch is
confirmed when every process has acknowledged it; so it never waits for what is still being loaded.

    orders.py     what the parent tells its processes, and what they tell it
    holder.py     a process that holds and answers as it is told
    answering.py  pure: from a plan and the state of its revisions to who answers
    follower.py   the parent: the plan it follows, its processes, and what they confirmed
    pursuit.py    getting a revision's files, however long it takes
    fetching.py   where they come from: the store, then siblings
    blobs.py      the folder in which they are
    siblings.py   the detector's other pods, asked over HTTP
    channels.py   where plans come from: the mounted file, what was followed before, siblings
    token.py      what proves on the management port that a caller may ask
    threads.py    blocking work that nobody waits for at the end
"""
