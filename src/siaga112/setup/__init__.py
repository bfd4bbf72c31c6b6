"""`siaga112 setup`: examines the PBX, asks what it cannot see, shows every change, and makes or undoes it.

`looking` collects the `facts`; from these and the answers to `questions`, `planning` makes steps, as values;
`doing` executes and checks them one by one; `journal` records them on disk, so that all can be undone.
"""
