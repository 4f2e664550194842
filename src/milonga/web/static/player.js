// Recordings of one deck share a position; one recording sounds at a time. A player is made when a
// recording is first wanted, so that hundreds of takes cost nothing; those of the deck that plays
// are loaded ahead, so that a switch is instant.
import { byId, clock, announce, notice, typing } from "./common.js";

const AHEAD = 10;
const KEPT = 24;

export class Deck {
  constructor(title, element) {
    Object.assign(this, { title, element, tracks: [], active: null, position: 0, range: null });
  }

  add(track) {
    track.deck = this;
    this.tracks.push(track);
    if (!this.active) this.active = track;
    return track;
  }
}

export class Track {
  // from: where the deck's start lies in the file; length: of what is played of it.
  constructor({ label, letter, address, length, from = 0, element, view, key = null, take = null }) {
    Object.assign(this, { label, letter, address, length, from, element, view, key, take, lufs: null, audio: null });
  }
}

export class Player {
  constructor({ onchange, onkey }) {
    this.decks = [];
    this.current = null;
    this.loaded = [];
    this.onchange = onchange;
    this.onkey = onkey;
    byId("dock-play").addEventListener("click", () => this.toggle());
    byId("dock-seek").addEventListener("input", (event) => this.seek(Number(event.target.value)));
    byId("match").addEventListener("change", () => this.level());
    document.addEventListener("keydown", (event) => this.key(event));
  }

  get deck() { return this.current; }
  get track() { return this.current && this.current.active; }
  get playing() { return Boolean(this.track && this.track.audio && !this.track.audio.paused); }

  audioOf(track) {
    if (track.audio) return track.audio;
    const audio = new Audio();
    audio.preload = "auto";
    audio.src = track.address;
    audio.dataset.label = track.label;
    track.audio = audio;
    this.loaded.push(track);
    audio.addEventListener("play", () => this.show());
    audio.addEventListener("pause", () => this.show());
    audio.addEventListener("ended", () => { track.deck.position = 0; this.draw(); });
    audio.addEventListener("error", () => { if (track.audio === audio) notice(`${track.label} can't be played.`); });
    // Very many players at once are refused by browsers.
    while (this.loaded.length > KEPT) {
      const old = this.loaded.find((one) => one.deck !== this.current && one !== track);
      if (!old) break;
      this.unload(old);
    }
    return audio;
  }

  unload(track) {
    this.loaded = this.loaded.filter((one) => one !== track);
    if (!track.audio) return;
    track.audio.pause();
    const audio = track.audio;
    track.audio = null;
    audio.removeAttribute("src");
    audio.load();
  }

  pick(track, play) {
    const before = this.track, deck = track.deck, sounded = this.playing;
    if (before && before !== track && before.audio) {
      if (before.deck === deck && sounded && !before.audio.seeking) deck.position = before.audio.currentTime - before.from;
      before.audio.pause();
    }
    this.current = deck;
    deck.active = track;
    const audio = this.audioOf(track);
    // A take that is shorter than the place in the other one begins anew.
    const from = deck.position < track.length - 0.02 ? deck.position : 0;
    deck.position = Math.max(from, 0);
    if (Math.abs(audio.currentTime - track.from - deck.position) > 0.005) audio.currentTime = track.from + deck.position;
    this.level();
    if (play) {
      audio.play().catch((error) => { if (error.name !== "AbortError") notice(`${track.label} can't be played.`); });
      this.tick();
    }
    deck.tracks.slice(0, AHEAD).forEach((one) => this.audioOf(one));
    if (before !== track) announce(track.label);
    this.show();
  }

  toggle() {
    if (!this.track) return;
    if (this.playing) this.track.audio.pause();
    else this.pick(this.track, true);
  }

  seek(seconds) {
    const deck = this.current;
    if (!deck) return;
    deck.position = Math.min(Math.max(seconds, 0), deck.active.length);
    this.audioOf(deck.active).currentTime = deck.active.from + deck.position;
    this.draw();
  }

  level() {
    const deck = this.current;
    if (!deck) return;
    const known = deck.tracks.map((track) => track.lufs).filter((lufs) => lufs !== null);
    const lowest = Math.min(...known);
    for (const track of deck.tracks) {
      if (!track.audio) continue;
      const gain = byId("match").checked && track.lufs !== null ? lowest - track.lufs : 0;
      track.audio.volume = Math.pow(10, gain / 20);
    }
  }

  tick() {
    const step = () => {
      const track = this.track;
      if (!this.playing) return;
      if (!track.audio.seeking) this.current.position = track.audio.currentTime - track.from;
      if (this.current.position >= track.length) {
        track.audio.pause();
        this.current.position = 0;
      }
      this.draw();
      requestAnimationFrame(step);
    };
    requestAnimationFrame(step);
  }

  draw() {
    const deck = this.current;
    if (!deck) return;
    for (const track of deck.tracks) {
      if (!track.playhead) continue;
      track.playhead.hidden = false;
      track.playhead.style.left = `${track.span ? Math.min(deck.position / track.span, 1) * 100 : 0}%`;
    }
    const seek = byId("dock-seek");
    seek.max = deck.active.length;
    seek.value = deck.position;
    seek.setAttribute("aria-valuetext", `${deck.position.toFixed(1)} of ${deck.active.length.toFixed(1)} seconds`);
    byId("dock-time").textContent = `${clock(deck.position)} / ${clock(deck.active.length)}`;
    if (this.onchange) this.onchange(deck);
  }

  show() {
    const deck = this.current;
    if (!deck) return;
    for (const other of this.decks) {
      for (const track of other.tracks) {
        const active = track === this.track, sounds = active && this.playing;
        if (!track.element) continue;
        track.element.classList.toggle("active", active);
        track.element.classList.toggle("playing", sounds);
        const button = track.element.querySelector(".play");
        if (button) button.setAttribute("aria-label", `${sounds ? "Pause" : "Play"} ${track.label}`);
        if (track.playhead && other !== deck) track.playhead.hidden = true;
      }
    }
    byId("dock-title").textContent = deck.title;
    byId("dock-track").textContent = deck.active.label === deck.title ? "" : deck.active.label;
    const letters = deck.tracks.filter((track) => track.letter).slice(0, 12);
    byId("dock-switch").hidden = letters.length < 2;
    byId("dock-switch").replaceChildren(...letters.map((track) => {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = track.letter;
      button.title = track.label;
      button.setAttribute("aria-label", `${track.letter}: ${track.label}`);
      button.setAttribute("aria-pressed", String(track === deck.active));
      button.addEventListener("click", () => this.pick(track, this.playing));
      return button;
    }));
    const play = byId("dock-play");
    play.classList.toggle("playing", this.playing);
    play.setAttribute("aria-label", this.playing ? "Pause" : "Play");
    this.draw();
  }

  key(event) {
    if (!byId("keys").checked || event.ctrlKey || event.metaKey || event.altKey || typing(event)) return;
    if (document.querySelector("dialog[open]")) return;
    const deck = this.current;
    if (!deck) return;
    if (event.key === " ") {
      if (event.target.closest("button, summary, a, input[type=checkbox]")) return;
      event.preventDefault();
      this.toggle();
      return;
    }
    if (event.target.closest("input[type=range]") && event.key.startsWith("Arrow")) return;
    const moves = { ArrowLeft: -1, ArrowRight: 1 };
    if (event.key in moves) {
      event.preventDefault();
      this.seek(deck.position + moves[event.key]);
      return;
    }
    if (this.onkey && this.onkey(event, deck)) return;
    const track = deck.tracks.find((one) => one.letter && one.letter.toLowerCase() === event.key.toLowerCase());
    if (track) this.pick(track, this.playing);
  }
}
