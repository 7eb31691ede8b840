"""An instructor's side: `labkit grade`, from what is handed in to marks and feedback.

    intake/          finds and reads hand-ins, in which everything may be hostile
    run.py           a whole run: what is left to do, and the report
    pool.py          workers on this machine (foreman.py forks them), cluster.py those of a cluster
    worker.py        puts one notebook through its lesson's checks
    replies.py       what those say to each other, a line each
    journal.py       what is graded so far; rows.py and feedback.py: what comes of it
    result_files.py  files that are written whole, beside the earlier ones of their names

No process that knows who has handed in is ever forked.
"""
