"""The command `fraud-scorer`: one module a subcommand, each imported only when it runs."""
