import rpp

from milonga.generators.measures import METRES
from milonga.songs.export.project import Project
from milonga.songs.export.reaper import reaper_text
from milonga.songs.export.score import SongScore
from milonga.songs.export.timeline import Place, tempo_map


def test_a_tempo_that_changes_in_a_bar_begins_no_bar():
    # Two bars of 3/4 less a beat at 120, and a pickup of a beat at 240.
    waltz = METRES["3/4"]
    places = [
        Place(1, "A", "intro", 0.0, 2.5, 120.0, waltz),
        Place(2, "B", "verse", 2.5, 4.25, 240.0, waltz, pickup=1.0),
    ]
    score = SongScore("T", "", 4.25, tuple(places), tempo_map(places), (), ())
    project = rpp.loads(reaper_text(Project(score, (), 44_100)))
    points = [each[1:5] for each in project.find("TEMPOENVEX") if each[0] == "PT"]
    assert points == [["0", "120", "1", str(4 << 16 | 3)], ["2.5", "240", "1", "0"]]
