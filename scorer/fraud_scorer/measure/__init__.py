"""How fast a model is on this machine: what `fraud-scorer bench` prints.

rows.py      transactions to score, as many as wanted and all different
compute.py   the model and the pipeline in this process
server.py    a server of its own process, over the loopback
"""
