"""`kubectl fraud doctor`: what is checked. `registry` lists the checks, one file a group has them.

    facts (everything that is asked, once) -> checks (pure: facts -> finding) -> report

A new check is a function in the file of its group, and a line in that file's CHECKS.
"""
