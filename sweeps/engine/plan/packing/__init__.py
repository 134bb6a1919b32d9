"""How many trials share this machine, and with how many cores each: what `auto` makes of these shares."""
