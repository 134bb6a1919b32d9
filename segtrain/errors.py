"""What a user can put right. Standard library only."""


class UserError(Exception):
    """Something was wrong with what the user gave: each problem says what, the value, what is allowed, what to do.
    Several problems of one kind are reported together, not only the first."""

    def __init__(self, *problems: str) -> None:
        self.problems = problems
        super().__init__("\n".join(problems))
