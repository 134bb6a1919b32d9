"""How one trial runs: its epochs, what it keeps to go on from, and what it leaves."""
