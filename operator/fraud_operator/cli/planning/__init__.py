"""The parts of `kubectl fraud plan`: read the files, ask the server, rehearse the plan, report."""
