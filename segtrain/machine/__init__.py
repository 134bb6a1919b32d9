"""What a trial runs on: device, disk, and the versions of everything."""
