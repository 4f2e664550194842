"""Work dealt out to a crew that gives it back in any order."""

from milonga.jobs.takes.crew import Crew, Event, Hand
from milonga.jobs.takes.dealing import Deal
from milonga.jobs.takes.packets import Done, Packet
from milonga.runtime.progress import Progress


class Numbered(Packet):
    """A packet that nobody makes."""

    @property
    def key(self):
        return "tones"

    def make(self, bench, progress):
        raise AssertionError("the crew makes them")

    def files(self, done):
        raise AssertionError("it has no files")


class LastFirst(Crew):
    """Two hands; what each has been given comes back the last one first, as threads may do it."""

    size = 2

    def __init__(self):
        self.given = {}

    def start(self, packet):
        hand = Hand(len(self.given))
        self.given[hand.number] = []
        self.hands = [*getattr(self, "hands", []), hand]
        return hand

    def give(self, hand, packet):
        self.given[hand.number].append(packet)

    def news(self, seconds):
        found = [Event(hand, ready=True) for hand in self.hands if not hand.ready]
        for hand in self.hands:
            while self.given[hand.number]:
                number = self.given[hand.number].pop().number
                done = Done("rendered", f"sound {number}")
                found.append(Event(hand, done=done, number=number))
        return found

    def dismiss(self, hand):
        self.hands.remove(hand)

    def close(self):
        pass


def test_what_is_done_is_told_by_its_number(tmp_path):
    packets = [Numbered(number=number, folder=tmp_path) for number in range(9)]
    deal = Deal(
        LastFirst(), packets, lambda packet, done, _: (packet.number, done.name), Progress()
    )
    assert dict(deal.outcomes()) == {number: f"sound {number}" for number in range(9)}
