"""Keeps the report of a study current while its sweep runs."""

import threading
from dataclasses import dataclass
from pathlib import Path

from analysis.read.frames import load
from analysis.report import answers
from analysis.report.page import write_report
from analysis.statistics import claims
from segtrain import records
from segtrain.errors import UserError


@dataclass(frozen=True)
class Answer:
    """A claim as far as it has firmed up."""

    verdict: str
    word: str
    text: str
    sentence: str
    lack: str


class CurrentReport:
    """Writes the report anew, at most every `every_s` seconds, when something has changed in the study's trials. What
    cannot be read is told in `problem`, and tried again."""

    def __init__(self, folder: Path, every_s: float) -> None:
        self.folder, self.every_s = folder, every_s
        self.answers: list[Answer] = []
        self.unanswered = 0  # claims of which no comparison has finished
        self.problem: str | None = None
        self.ended = threading.Event()
        self._seen: list[tuple[str, int]] | None = None

    def run(self) -> None:
        """Until `ended` is set."""
        while True:
            self.refresh()
            if self.ended.wait(self.every_s):
                return

    def refresh(self) -> bool:
        """Whether there was something new."""
        seen = self._signs()
        if seen == self._seen:
            return False
        try:
            study = load(self.folder)
            judgements = claims.judge_all(study)  # first: the report takes longer, most of all beside a training
            self.answers = [_answer(j) for j in answers.strongest_first(judgements) if j.effect.n]
            self.unanswered = len(judgements) - len(self.answers)
            write_report(study)
            self.problem = None
        except (UserError, OSError) as error:
            self.problem = str(error)
        self._seen = seen
        return True

    def _signs(self) -> list[tuple[str, int]]:
        """When the study and the statuses of its trials were written last."""
        out = self.folder.parents[1]
        paths = [self.folder / records.STUDY_FILE, *(out / records.TRIALS_DIR).glob(f"*/{records.STATUS_FILE}")]
        found = []
        for path in paths:
            try:
                found.append((path.parent.name, path.stat().st_mtime_ns))
            except OSError:  # archived meanwhile
                continue
        return sorted(found)


def _answer(judgement: claims.Judgement) -> Answer:
    sentence, lack = answers.sentence(judgement), answers.lack(judgement)
    return Answer(judgement.verdict, answers.WORDS[judgement.verdict], judgement.text, sentence, lack)
