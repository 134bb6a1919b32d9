"""What has run and what runs: looked at, stopped, set aside, compared. From another process, and without Ray."""
