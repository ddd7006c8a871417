"""Clearing an instance off the machine, whether it ran well, crashed, or was killed piece by piece.

Nothing here trusts what `up` managed to write down: processes are found by their mark, containers
by their cgroup, mounts and links by the state folder that they lead to.
"""

import shutil

from tests.cluster.paths import Instance
from tests.cluster.processes import Processes


def clear(instance: Instance) -> None:
    """Leave no process, mount, network device, nft table, cgroup or file of `instance`."""
    if not instance.folder.exists():
        return
    processes = Processes(instance.folder)
    if instance.tier == "node":
        from tests.cluster.node_cleanup import clear_node

        clear_node(instance, processes)
    # Nothing of it is kept, so nothing needs to end in good order.
    processes.kill_all()
    shutil.rmtree(instance.folder)
