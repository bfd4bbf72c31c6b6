"""`siaga112 setup`: finds the PBX, asks what it cannot see, shows each change, makes it, takes it back.

`looking` gives `facts`; of these and of the answers to `questions`, `planning` makes steps, as values;
`doing` does them one by one, each checked; `journal` has on disk what was done, so that all can be undone.
"""
