"""Takes in: the door for new data. It asks for subject, purpose, term, consent and tombstone before anything is stored."""
