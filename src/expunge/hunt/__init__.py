"""Hunts: the copies that nobody listed, by identifier and by content.

A policy knows what somebody wrote down; the hunt looks at the bytes. One flow, along modules:

1. *Traces* (``prints``) of what is about to go are handed over at ``Located``; each *family* turns those of its kind into *prints*:
   the least that recognises a copy. They are sealed with the run and die with it.
2. After erasing, every *source* (``stores.base.Scan``) is walked; ``unwrap`` opens what lies in what, within limits, and gives
   *pieces* (``pieces``): windows of bytes, rows of columns, media. What could not be read is told in the *account*, never left out.
3. Each family's *matcher* looks at every piece, once, for all subjects of the batch, and gives *sightings*.
4. Sightings are judged and grouped by place into *finds*; a find opens an incident and keeps the run incomplete until somebody adopts
   the place into the policy or dismisses it with a reason.

What can go wrong, and what it becomes: a place that can't be read, or not whole (*not scanned*, with the reason); a hostile file
(*limit*, told); a worker that dies (its shard is scanned again); common words (demoted by what the listed, verified stores still hold);
fingerprints lost with their key (the hunt can't be repeated, and says so).
"""
