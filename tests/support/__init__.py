"""What several kinds of tests share: stand-ins for the outside world that behave like it."""
