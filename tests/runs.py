"""What networks are shown while the program runs them."""

from facectrl_fast.vision.runtime import BoundInput


def noted_inputs(monkeypatch, note):
    """A list that gets what ``note`` makes of each bound input that is run from now on."""
    seen = []
    run = BoundInput.run

    def noted(self):
        seen.append(note(self.array))
        return run(self)

    monkeypatch.setattr(BoundInput, "run", noted)
    return seen
