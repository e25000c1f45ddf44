"""Answers: public claims, each bound to a control that runs."""
