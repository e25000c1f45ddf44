"""One file per family of formats; each has ``FORMATS``, and is loaded by the table in ``hunt.formats`` when it is first needed.

A reader gives pieces of the place that it was opened for and ``Nested`` streams of what lies inside; it never opens those itself.
Whatever it foresees (damage, encryption, a limit) it tells with ``opened.account.unread.append(Unread(...))`` and goes on.
"""
