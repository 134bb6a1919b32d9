"""Files of a trial that stand beside its scores: its network, its data, its single images."""
