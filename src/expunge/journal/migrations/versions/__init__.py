"""One file per change of the control database, oldest first."""
