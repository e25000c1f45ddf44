"""Keys: one random key per person and per run, kept so that it can be destroyed.

``vault`` makes, uses and destroys them; ``pages`` is how 1,024 of them lie together under a bucket key; ``roots`` holds the epoch's
root outside every database, ``external`` what wraps it; ``tables`` is the database; ``streaming`` seals media in Tink's format.
"""
