"use strict";
(() => {
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];
  const byId = (id) => document.getElementById(id);
  const calm = matchMedia("(prefers-reduced-motion: reduce)");
  const decks = [];
  let current = null;

  // Recordings of one section share a position; one recording sounds at a time.
  class Deck {
    constructor(element) {
      this.element = element;
      this.title = element.dataset.title;
      this.position = 0;
      this.tracks = all(".track", element).filter((t) => t.querySelector("audio")).map((t) => new Track(t, this));
      this.active = this.tracks[0] || null;
    }

    get playing() {
      return this.active !== null && !this.active.audio.paused;
    }

    pick(track, play) {
      if (current && current !== this && current.active) current.active.audio.pause();
      const was = this.active;
      if (was && was !== track) {
        if (!was.audio.paused) this.position = was.audio.currentTime;
        was.audio.pause();
      }
      current = this;
      this.active = track;
      if (play) track.start(this.position);
      show(was !== track || !play);
    }

    seek(seconds) {
      this.position = Math.min(Math.max(seconds, 0), this.active.end);
      this.active.audio.currentTime = this.position;
      draw(this);
    }
  }

  class Track {
    constructor(element, deck) {
      this.element = element;
      this.deck = deck;
      this.audio = element.querySelector("audio");
      this.label = element.dataset.label;
      this.letter = element.dataset.letter;
      this.span = Number(element.dataset.span);
      this.seconds = Number(element.dataset.seconds);
      this.gain = element.dataset.gain === undefined ? null : Number(element.dataset.gain);
      this.lufs = Number(element.dataset.lufs);
      this.playhead = element.querySelector(".playhead");
      this.audio.controls = false;
      this.audio.addEventListener("play", () => show(false));
      this.audio.addEventListener("pause", () => show(false));
      this.audio.addEventListener("ended", () => { deck.position = 0; this.audio.currentTime = 0; draw(deck); });
      this.audio.addEventListener("timeupdate", () => { if (calm.matches) follow(); });
      this.audio.addEventListener("error", () => this.fail());
      element.querySelector(".play").addEventListener("click", () => {
        if (deck === current && deck.active === this && deck.playing) this.audio.pause();
        else deck.pick(this, true);
      });
      const view = element.querySelector(".view");
      if (view) this.scrub(view);
    }

    get end() {
      return Number.isFinite(this.audio.duration) ? this.audio.duration : this.seconds;
    }

    start(position) {
      // A take shorter than the place in the other one begins anew.
      const from = position < this.end - 0.02 ? position : 0;
      if (this.audio.preload === "none") this.audio.preload = "auto";
      if (Math.abs(this.audio.currentTime - from) > 0.005) this.audio.currentTime = from;
      this.audio.play().catch((error) => { if (error.name !== "AbortError") this.fail(); });
      tick();
    }

    scrub(view) {
      const place = (event) => {
        const box = view.getBoundingClientRect();
        return ((event.clientX - box.left) / box.width) * this.span;
      };
      const go = (event) => {
        const goOn = this.deck === current && this.deck.playing;
        if (this.deck !== current || this.deck.active !== this) this.deck.pick(this, false);
        this.deck.seek(place(event));
        if (goOn) this.start(this.deck.position);
      };
      // A finger that comes down may be about to scroll the page: only its tap counts.
      view.addEventListener("click", (event) => { if (event.pointerType !== "mouse") go(event); });
      view.addEventListener("pointerdown", (event) => {
        if (event.button !== 0 || event.pointerType !== "mouse") return;
        go(event);
        view.setPointerCapture(event.pointerId);
        const drag = (moved) => this.deck.seek(place(moved));
        const stop = () => view.removeEventListener("pointermove", drag);
        view.addEventListener("pointermove", drag);
        view.addEventListener("pointerup", stop, { once: true });
        view.addEventListener("pointercancel", stop, { once: true });
      });
    }

    fail() {
      const line = this.element.querySelector(".player-trouble");
      line.textContent = "The browser can’t play this file. Is it still beside the page?";
      line.hidden = false;
    }
  }

  const clock = (seconds) => {
    const tenths = Math.round(seconds * 10);
    return `${Math.floor(tenths / 600)}:${String(Math.floor(tenths / 10) % 60).padStart(2, "0")}.${tenths % 10}`;
  };

  const decimal = (value) => value.toFixed(1).replace("-", "\u2212");

  function draw(deck) {
    for (const track of deck.tracks) {
      if (!track.playhead) continue;
      const share = track.span ? Math.min(deck.position / track.span, 1) * 100 : 0;
      track.playhead.hidden = deck !== current;
      track.playhead.style.transform = `translateX(${share}%)`;
    }
    if (deck !== current) return;
    const seek = byId("dock-seek");
    seek.max = deck.active.end;
    seek.value = deck.position;
    seek.setAttribute("aria-valuetext", `${deck.position.toFixed(1)} of ${deck.active.end.toFixed(1)} seconds`);
    byId("dock-time").textContent = `${clock(deck.position)} / ${clock(deck.active.end)}`;
  }

  function follow() {
    if (!current || !current.playing) return;
    // Until a seek is done, currentTime may still say 0.
    if (!current.active.audio.seeking) current.position = current.active.audio.currentTime;
    draw(current);
  }

  let ticking = false;
  function tick() {
    if (ticking || calm.matches) return;
    ticking = true;
    const step = () => {
      follow();
      if (current && current.playing) requestAnimationFrame(step);
      else ticking = false;
    };
    requestAnimationFrame(step);
  }

  let shown = null;
  function show(speak) {
    if (!current) return;
    for (const deck of decks) {
      for (const track of deck.tracks) {
        const active = deck === current && track === deck.active;
        const sounds = active && deck.playing;
        track.element.classList.toggle("active", active);
        track.element.classList.toggle("playing", sounds);
        track.element.querySelector(".play").setAttribute("aria-label", `${sounds ? "Pause" : "Play"} ${track.label}`);
        if (track.playhead) track.playhead.hidden = deck !== current;
      }
    }
    if (shown !== current) {
      shown = current;
      byId("dock-title").textContent = current.title;
      byId("dock-switch").replaceChildren(...current.tracks.map(letterButton));
      byId("dock-switch").hidden = current.tracks.length < 2;
    }
    current.tracks.forEach((track, index) => {
      byId("dock-switch").children[index].setAttribute("aria-pressed", String(track === current.active));
    });
    byId("dock-track").textContent = current.active.label === current.title ? "" : current.active.label;
    const button = byId("dock-play");
    button.classList.toggle("playing", current.playing);
    button.setAttribute("aria-label", current.playing ? "Pause" : "Play");
    if (speak) byId("announce").textContent = current.active.label;
    draw(current);
  }

  function letterButton(track) {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = track.letter;
    button.title = track.label;
    button.setAttribute("aria-label", `${track.letter}: ${track.label}`);
    button.addEventListener("click", () => track.deck.pick(track, track.deck.playing));
    return button;
  }

  function toggle() {
    if (current.playing) current.active.audio.pause();
    else current.pick(current.active, true);
  }

  // The volume of the element: Web Audio is silenced by browsers for pages opened from disk.
  function matchLevels(on) {
    for (const deck of decks) {
      for (const track of deck.tracks) {
        track.audio.volume = on && track.gain !== null ? Math.pow(10, track.gain / 20) : 1;
        const text = track.element.querySelector(".gain");
        text.hidden = !on || deck.tracks.length < 2;
        if (track.gain === null) text.textContent = " (not matched)";
        else text.textContent = track.gain < -0.05 ? ` → ${decimal(track.lufs + track.gain)}` : "";
        if (track.gain !== null) text.title = `Played ${(-track.gain).toFixed(1)} dB lower`;
      }
    }
  }

  function volumeWorks() {
    const probe = document.createElement("audio");
    probe.volume = 0.5;
    return probe.volume === 0.5;
  }

  function onKey(event) {
    if (!byId("keys").checked || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === " ") {
      if (event.target.closest("button, summary, a, input[type=checkbox]")) return;
      event.preventDefault();
      toggle();
      return;
    }
    const track = current.tracks.find((one) => one.letter.toLowerCase() === event.key.toLowerCase());
    if (track) current.pick(track, current.playing);
  }

  // Very many players at once are refused by browsers: those far away give theirs back.
  function loadNearby() {
    const seen = new IntersectionObserver((entries) => {
      for (const entry of entries) {
        const audio = entry.target.querySelector("audio");
        if (entry.isIntersecting) {
          audio.preload = "metadata";
        } else if (audio.paused && audio.preload !== "none" && !(current && current.element.contains(audio))) {
          audio.preload = "none";
          audio.load();
        }
      }
    }, { rootMargin: "1200px 0px" });
    for (const deck of decks) for (const track of deck.tracks) if (track.audio.preload === "none") seen.observe(track.element);
  }

  document.documentElement.classList.add("js");
  for (const element of all("[data-deck]")) {
    const deck = new Deck(element);
    if (deck.tracks.length) decks.push(deck);
  }
  if (!decks.length) return;
  current = decks[0];
  document.querySelector(".dock").hidden = false;
  byId("dock-play").addEventListener("click", toggle);
  byId("dock-seek").addEventListener("input", (event) => current.seek(Number(event.target.value)));
  const match = byId("match");
  if (!volumeWorks()) {
    match.disabled = true;
    match.nextElementSibling.textContent = "Levels can’t be matched in this browser";
  }
  match.addEventListener("change", () => matchLevels(match.checked));
  // Browsers restore checkboxes on reload.
  matchLevels(match.checked);
  document.addEventListener("keydown", onKey);
  loadNearby();
  show(false);
})();
