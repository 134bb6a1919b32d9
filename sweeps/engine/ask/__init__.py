"""What is asked: studies, searches, and the command line. Standard library only."""
