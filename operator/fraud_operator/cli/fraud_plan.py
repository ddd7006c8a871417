"""`kubectl fraud plan -f FILE`: what applying FraudDetectors would do. Writes nothing."""

from __future__ import annotations

import argparse
import json
import os
import sys

from fraud_operator.cli.access import access
from fraud_operator.cli.exits import Exit
from fraud_operator.cli.planning.detector import Planner
from fraud_operator.cli.planning.files import read
from fraud_operator.cli.planning.operator import operator
from fraud_operator.cli.planning.resource import How
from fraud_operator.cli.planning.text import lines
from fraud_operator.cli.terminal import show, style_for


async def run(arguments: argparse.Namespace) -> int:
    """Plan everything in the files. Raises Failure."""
    async with access(arguments) as api:
        files = read(arguments.filename, api.namespace, explicit=bool(arguments.namespace))
        planner = Planner(
            api=api,
            files=files,
            how=How(arguments.server_side, arguments.field_manager, arguments.force_conflicts),
            operator=await operator(api, arguments.operator_namespace, arguments.scorer_image),
            skip_store=arguments.skip_store,
        )
        reports = [await planner.report(obj) for obj in files.detectors]
    if arguments.output == "json":
        json.dump({"detectors": [report.as_json() for report in reports]}, sys.stdout, indent=2)
        print()
    else:
        show(lines(reports, style_for(sys.stdout, os.environ)))
    verdicts = {report.verdict for report in reports}
    return next(code for code in (Exit.ERROR, Exit.FOUND, Exit.OK) if code in verdicts)
