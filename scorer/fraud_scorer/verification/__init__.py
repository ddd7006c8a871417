"""Proving a version before any pod serves it: three programs, one after the other, in one Job.

    fetch    with the store's credentials: the version's files, digests checked
    compile  without credentials and network: a model file that is code, to one that is data
    judge    trusted code that reads data only: proves the model, keeps its bytes, gives the verdict

They hand things on in two folders. What `fetch` leaves is believed, as nothing of it was ever run.
What `compile` leaves is data of unknown origin: the file that it read may have taken the process
over. So `judge` never opens it but as a regular file of bounded size, and takes from it nothing
but a model and its description, which then have to prove themselves like any others.

docs/verification.md says what is checked, in which order, and what each reason means.

    fetch.py       the first program            fetched.py    what it leaves
    compiling.py   the second                   handed.py     reading what a hostile process left
    judge.py       the third                    bare.py       a manifest where there was none
    signature.py   who published it             refusal.py    how any of them says no
    checks.py      scores and speed             sample.py     transactions to try it on
    keeping.py     proven bytes, kept by digest patience.py   a store that is away
    findings.py    what was found, as data      compare.py    against the version that serves now
    page.py        the same for people          chart.py      its drawings
"""
