import re
from itertools import pairwise

import numpy as np
import pytest
from playwright.sync_api import expect

from milonga import audio
from milonga.analysis.report import Report, ReportSection, ReportTrack, write_report

HOSTILE = (
    "</title></script><script>alert(1)</script><img src=x onerror=alert(1)>\"' onclick=alert(1) "
)

CONTRASTS = """() => {
  const parse = (text) => (text.match(/[\\d.]+/g) || []).map(Number);
  const linear = (v) => v <= 10.04 ? v / 255 / 12.92 : ((v / 255 + 0.055) / 1.055) ** 2.4;
  const luminance = ([r, g, b]) => 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
  const ground = (e) => {
    for (; e; e = e.parentElement) {
      const colour = parse(getComputedStyle(e).backgroundColor);
      if (colour.length === 3 || colour[3] === 1) return colour;
    }
    return [255, 255, 255];
  };
  const found = [];
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walk.nextNode()) {
    const e = walk.currentNode.parentElement, text = walk.currentNode.data.trim();
    if (!text || e.closest("script, style, .sr, .skip") || !e.checkVisibility()) continue;
    const style = getComputedStyle(e);
    const ink = luminance(parse(e instanceof SVGElement ? style.fill : style.color));
    const paper = luminance(ground(e));
    const ratio = (Math.max(ink, paper) + 0.05) / (Math.min(ink, paper) + 0.05);
    if (ratio < 4.5) found.push(`${ratio.toFixed(2)} ${e.tagName} ${text.slice(0, 30)}`);
  }
  return found;
}"""
"""Texts below the contrast of 4.5 that WCAG 2.2 asks for (1.4.3, with its formula)."""

UNNAMED = """() => {
  const named = (e) => e.getAttribute("aria-label") || e.getAttribute("alt")
    || e.textContent.trim() || (e.labels && e.labels[0].textContent.trim());
  const all = document.querySelectorAll("button, a, input, img, [role=img], [role=region]");
  return [...all].filter((e) => !named(e)).map((e) => e.outerHTML.slice(0, 80));
}"""


def test_the_page_never_scrolls_sideways(visit, song):
    page = visit(song)
    for summary in page.locator(".fold > summary").all():
        summary.click()
    for width in (320, 375, 768, 1280, 1920):
        page.set_viewport_size({"width": width, "height": 800})
        assert page.evaluate("innerWidth") == width
        assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_tables_of_figures_fit_and_other_wide_ones_can_be_reached(visit, song):
    page = visit(song, width=390, height=800)
    for width in (390, 768, 1024, 1280):
        page.set_viewport_size({"width": width, "height": 800})
        boxes = page.locator("#s1 .figures-box, .glance .scroller").all()
        assert boxes
        for box in boxes:
            assert box.evaluate("e => e.scrollWidth <= e.clientWidth")
    page.set_viewport_size({"width": 390, "height": 800})
    page.locator(".fold > summary", has_text="Mean MFCCs").first.click()
    wide = page.locator(".scroller:has(.vectors)").first
    assert wide.evaluate("e => e.scrollWidth > e.clientWidth")
    wide.focus()
    assert wide.evaluate("e => document.activeElement === e")


def test_what_a_figure_is_worth_stands_in_one_line(visit, song):
    page = visit(song)
    for width in (1280, 390):
        page.set_viewport_size({"width": width, "height": 900})
        shown = page.locator(".worth-value").evaluate_all(
            """values => values.map(value => {
              value.textContent = "−0.006";
              const text = document.createRange();
              text.selectNodeContents(value);
              return [text.getClientRects().length, value.scrollWidth > value.clientWidth];
            })"""
        )
        assert shown
        assert all(found == [1, False] for found in shown)


def test_light_and_dark_differ_and_both_have_contrast(visit, song):
    page = visit(song)
    for summary in page.locator(".fold > summary").all():
        summary.click()
    page.get_by_role("switch", name="Match levels").check()
    grounds = []
    # Colours glide over some tenths of a second unless motion is reduced.
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        assert page.evaluate(CONTRASTS) == []
        ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
        grounds.append(sum(map(int, re.findall(r"\d+", ground)[:3])))
    # Sum of three channels up to 255 each.
    assert grounds[0] > 600
    assert grounds[1] < 150


def test_hostile_text_runs_nothing(visit, tmp_path, song):
    track = ReportTrack(HOSTILE, song.parent.parent / "song.wav", findings=[(HOSTILE, HOSTILE)])
    section = ReportSection(HOSTILE, HOSTILE, {HOSTILE: HOSTILE}, [track, track])
    report = Report(HOSTILE, sections=[section, section], made={HOSTILE: HOSTILE})
    page = visit(write_report(report, tmp_path / "report"))
    assert page.title().startswith(HOSTILE.strip()[:30])
    assert page.locator("script").count() == 1
    page.locator("#s1 .play").first.click()
    page.keyboard.press("b")
    assert page.locator("#dock-title").text_content() == HOSTILE
    for element in page.locator("h1, h2, h3, summary").all():
        assert element.evaluate("e => e.querySelector('script, img') === null")


def test_every_control_and_picture_has_a_name(visit, song):
    page = visit(song)
    assert page.evaluate(UNNAMED) == []
    ids = page.evaluate("[...document.querySelectorAll('[id]')].map(e => e.id)")
    assert len(ids) == len(set(ids))
    assert page.evaluate("document.documentElement.lang") == "en"
    levels = page.locator("h1, h2, h3, h4").evaluate_all("all => all.map(e => +e.tagName[1])")
    assert levels[0] == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))


def test_pictures_share_their_scales(visit, song):
    page = visit(song)
    page.locator("img").evaluate_all("images => images.forEach(i => { i.loading = 'eager' })")
    page.wait_for_function("() => [...document.images].every(i => i.complete && i.naturalWidth)")
    boxes = [box for view in page.locator("#s1 .view").all() if (box := view.bounding_box())]
    assert len({round(box["width"]) for box in boxes}) == 1
    assert len({round(box["y"]) for box in boxes}) == 1


def test_reduced_motion_still_follows_the_sound(visit, song):
    page = visit(song, reduced_motion="reduce")
    page.locator("#s1 .play").first.click()
    page.wait_for_function(
        "() => { const t = document.querySelector('#s1 .playhead').style.transform;"
        " return parseFloat(t.slice(11)) > 5 }"
    )
    assert page.evaluate("getComputedStyle(document.documentElement).scrollBehavior") == "auto"


def test_print_leaves_the_controls_out_and_no_column(visit, song):
    # The width of an A4 page within Chromium's margins, in CSS pixels.
    page = visit(song, width=718)
    page.emulate_media(media="print")
    assert page.locator(".dock").is_hidden()
    assert page.locator(".track .play").first.is_hidden()
    assert page.locator("#s1 .figures").is_visible()
    tables = page.locator(".figures-box, .glance .scroller")
    assert tables.evaluate_all("all => all.every(e => e.scrollWidth <= e.clientWidth)")
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert ground == "rgb(255, 255, 255)"


def test_findings_and_licences_stand_out(visit, song):
    page = visit(song)
    assert page.locator('#s1 [data-label="guide-s1"] .badge.warn').text_content().strip() == (
        "1 finding"
    )
    assert page.locator("#licences .badge.stop").text_content().strip() == "non-commercial only"
    assert page.locator("#licences tbody tr").first.locator("th").text_content() == "musicgen"


@pytest.mark.parametrize("width", [1280, 390])
def test_the_range_of_an_edit_is_shaded_where_it_is_and_can_be_clicked(visit, tmp_path, width):
    tracks = []
    for label, word in (("ace-step-s0", "repainted"), ("ace-step-repaint-s0", "new")):
        path = tmp_path / f"{label}.wav"
        samples = np.sin(np.arange(8 * 22_050) * 0.1, dtype=np.float32)[None] * 0.1
        audio.write(path, audio.Clip(samples, 22_050))
        ranges = [(2.0, 5.0, word)]
        tracks.append(ReportTrack(label, path, features={"duration_s": 8.0}, ranges=ranges))
    folder = tmp_path / "report"
    page = visit(
        write_report(Report("Song", "", [ReportSection("1 · Uno", "", {}, tracks)]), folder),
        width=width,
    )
    for label, word in (("ace-step-s0", "repainted"), ("ace-step-repaint-s0", "new")):
        card = page.locator(f'[data-label="{label}"]')
        shades = card.locator(f'svg.marks[aria-label="{word}: 2.0 to 5.0 s"]')
        expect(shades.first).to_be_visible()
        for shade in shades.all():
            around, inside = shade.bounding_box(), shade.locator("rect").bounding_box()
            # A quarter and five eighths of 8 s, to a pixel.
            left = inside["x"] - around["x"]
            assert left == pytest.approx(around["width"] * 2 / 8, abs=1)
            assert inside["width"] == pytest.approx(around["width"] * 3 / 8, abs=1)
            # Over the waveform; lines at both ends go through all pictures.
            wave = card.locator(".wave").bounding_box()
            assert inside["height"] == pytest.approx(wave["height"], abs=1)
            lines = [line.bounding_box() for line in shade.locator("line").all()]
            assert [line["x"] - around["x"] for line in lines] == pytest.approx(
                [around["width"] * place / 8 for place in (2, 5)], abs=1
            )
            assert lines[0]["height"] == pytest.approx(around["height"], abs=1)
        expect(shades.first.locator("text")).to_have_text(word)
        look = shades.first.locator("rect").evaluate(
            "e => { const s = getComputedStyle(e); return [s.fill, +s.fillOpacity * +s.opacity] }"
        )
        assert look[0] not in ("none", "rgba(0, 0, 0, 0)")
        assert 0 < look[1] < 1 or "rgba" in look[0] or "color(" in look[0] or "/" in look[0]
    # It lies over the picture, and a click goes through it.
    view = page.locator('[data-label="ace-step-repaint-s0"] .view').first
    view.scroll_into_view_if_needed()
    box = view.bounding_box()
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.wait_for_function(
        "() => [...document.querySelectorAll('audio')].some(a => Math.abs(a.currentTime - 4) < 0.2)"
    )
