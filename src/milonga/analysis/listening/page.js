"use strict";
(() => {
  const plan = JSON.parse(document.getElementById("plan").textContent);
  const at = (id) => document.getElementById(id);
  const FADE = 0.008;
  const LETTERS = ["A", "B", "X"];
  const WORDS = ["bad", "poor", "fair", "good", "excellent"];

  // What was answered is kept in this browser; without storage it is kept until the page closes.
  const PLACE = `milonga-listening-${plan.test}`;
  const kept = () => {
    try { return JSON.parse(localStorage.getItem(PLACE)) || {}; } catch { return {}; }
  };
  const state = { listener: "", at: 0, answers: {}, ...kept() };
  const keep = () => {
    try { localStorage.setItem(PLACE, JSON.stringify(state)); } catch { /* private window */ }
  };

  /* All sounds start at one moment and go on together; one of them is let through. */
  class Player {
    constructor(context, buffers) {
      this.context = context;
      this.buffers = buffers;
      this.duration = Math.max(...buffers.map((buffer) => buffer.duration));
      this.gains = buffers.map(() => {
        const gain = context.createGain();
        gain.gain.value = 0;
        gain.connect(context.destination);
        return gain;
      });
      this.sources = [];
      this.offset = 0;
      this.heard = 0;
      this.loop = true;
      this.ended = () => {};
    }
    get playing() { return this.sources.length > 0; }
    get position() {
      if (!this.playing) return this.offset;
      const gone = this.offset + Math.max(0, this.context.currentTime - this.begun);
      return this.loop ? gone % this.duration : Math.min(gone, this.duration);
    }
    play() {
      if (this.playing) return;
      this.begun = this.context.currentTime + 0.02;
      this.sources = this.buffers.map((buffer, index) => {
        const source = this.context.createBufferSource();
        source.buffer = buffer;
        source.loop = this.loop;
        source.connect(this.gains[index]);
        source.start(this.begun, this.offset);
        return source;
      });
      this.sources[0].onended = () => { if (this.playing) { this.halt(0); this.ended(); } };
      this.ramp(this.begun);
    }
    pause() { this.halt(this.position); }
    seek(seconds) {
      const playing = this.playing;
      this.halt(Math.min(seconds, this.duration));
      if (playing) this.play();
    }
    select(index) {
      this.heard = index;
      if (this.playing) this.ramp(this.context.currentTime);
    }
    halt(offset) {
      const stop = this.context.currentTime + FADE;
      for (const source of this.sources) { source.onended = null; source.stop(stop + 0.01); }
      this.sources = [];
      this.offset = offset;
      for (const gain of this.gains) this.move(gain, 0, this.context.currentTime);
    }
    ramp(from) {
      this.gains.forEach((gain, index) => this.move(gain, index === this.heard ? 1 : 0, from));
    }
    move(gain, value, from) {
      // The value now is computed here: a ramp would start where the last one ended, long ago.
      const { start = 0, was = 0, to = 0 } = gain.last || {};
      const now = was + (to - was) * Math.min(1, Math.max(0, (from - start) / FADE));
      gain.last = { start: from, was: now, to: value };
      gain.gain.cancelScheduledValues(from);
      gain.gain.setValueAtTime(now, from);
      gain.gain.linearRampToValueAtTime(value, from + FADE);
    }
    close() { this.halt(0); for (const gain of this.gains) setTimeout(() => gain.disconnect(), 100); }
  }
  window.listening = { Player, plan };

  /* Sounds are scripts beside the page: from a disk, nothing else can be read. */
  const waiting = new Map();
  window.sound = (name, text) => {
    const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
    waiting.get(name)?.resolve(bytes.buffer);
  };
  const load = (name) => new Promise((resolve, reject) => {
    waiting.set(name, { resolve });
    const script = document.createElement("script");
    script.src = `sounds/${name}.js`;
    script.onerror = () => reject(new Error(`sounds/${name}.js is missing beside this page.`));
    script.onload = () => script.remove();
    document.head.append(script);
  }).finally(() => waiting.delete(name));

  let context = null;
  let player = null;
  let heard = new Set();
  let turn = 0;

  const trial = () => plan.trials[state.at];
  const answer = () => (state.answers[trial().name] ||= { choice: "", ratings: {}, seconds: 0 });
  const rated = () => trial().stimuli.slice(1);

  const missing = () => {
    const unheard = trial().stimuli.length - heard.size;
    if (unheard > 0) return `Listen to ${unheard === trial().stimuli.length ? "each sound" : `the other ${unheard}`} first.`;
    if (plan.kind === "mushra") {
      const left = rated().filter((name) => !(name in answer().ratings)).length;
      return left ? `Rate the other ${left}.` : "";
    }
    return answer().choice ? "" : "Choose an answer.";
  };
  const refresh = () => {
    const lacking = player ? missing() : "";
    at("missing").textContent = player ? lacking : "Loading the sounds …";
    at("next").disabled = !player || Boolean(lacking);
    at("back").disabled = state.at === 0;
    at("play").disabled = !player;
    at("play").textContent = player?.playing ? "Pause" : "Play";
    at("stimuli").querySelectorAll("button").forEach((button, index) => {
      button.disabled = !player;
      button.setAttribute("aria-pressed", String(Boolean(player) && player.heard === index));
    });
    at("answers").querySelectorAll("button").forEach((button) => {
      const chosen = answer().choice === button.dataset.choice;
      button.setAttribute("aria-checked", String(chosen));
      button.tabIndex = chosen || !answer().choice ? 0 : -1;
    });
  };

  const listen = (index) => {
    if (!player || index >= trial().stimuli.length) return;
    player.select(index);
    if (!player.playing) toggle();
    heard.add(index);
    refresh();
  };
  const toggle = () => {
    if (!player) return;
    context.resume();
    if (player.playing) player.pause();
    else { player.play(); heard.add(player.heard); }
    refresh();
  };
  const choose = (choice) => {
    answer().choice = choice;
    keep();
    refresh();
  };

  const button = (text, action, attributes = {}) => {
    const made = document.createElement("button");
    made.type = "button";
    made.textContent = text;
    made.addEventListener("click", action);
    for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
    return made;
  };
  const slider = (name, index) => {
    const box = document.createElement("div");
    box.className = "rated";
    const range = document.createElement("input");
    range.type = "range";
    range.min = "0";
    range.max = "100";
    range.setAttribute("aria-label", `Rating of sound ${index}`);
    const words = document.createElement("span");
    words.className = "words";
    const show = (value) => {
      words.textContent = value === undefined ? "not rated" : `${value}, ${WORDS[Math.min(4, Math.floor(value / 20))]}`;
      range.setAttribute("aria-valuetext", words.textContent);
    };
    const before = answer().ratings[name];
    range.value = before ?? 50;
    show(before);
    range.addEventListener("input", () => {
      answer().ratings[name] = Number(range.value);
      show(Number(range.value));
      keep();
      refresh();
    });
    box.append(button(String(index), () => listen(index), { "aria-keyshortcuts": String(index) }), range, words);
    return box;
  };
  const draw = () => {
    at("where").textContent = `${state.at + 1} of ${plan.trials.length}`;
    at("item").textContent = trial().item;
    const sounds = trial().stimuli.map((name, index) => {
      if (plan.kind !== "mushra") return button(LETTERS[index], () => listen(index), { "aria-keyshortcuts": LETTERS[index] });
      return index ? slider(name, index) : button("Reference", () => listen(0), { "aria-keyshortcuts": "0" });
    });
    at("stimuli").replaceChildren(...sounds);
    const answers = plan.kind === "mushra" ? [] : plan.answers.map(([choice, text]) =>
      button(text, () => choose(choice), { role: "radio", "data-choice": choice }));
    at("answers").replaceChildren(...answers);
  };

  const open = async () => {
    const mine = ++turn;
    player?.close();
    player = null;
    heard = new Set();
    draw();
    refresh();
    const opened = performance.now();
    answer().opened = opened;
    try {
      const loaded = await Promise.all(trial().stimuli.map(load));
      const buffers = await Promise.all(loaded.map((bytes) => context.decodeAudioData(bytes)));
      if (mine !== turn) return;
      player = new Player(context, buffers);
      player.loop = at("loop").checked;
      player.ended = refresh;
      at("position").max = String(player.duration);
      refresh();
    } catch (error) {
      if (mine === turn) at("missing").textContent = `These sounds can't be played: ${error.message}`;
    }
  };
  const leave = (to) => {
    const given = answer();
    given.seconds += Math.round((performance.now() - given.opened) / 100) / 10;
    delete given.opened;
    state.at = to;
    keep();
    if (to >= plan.trials.length) finish();
    else open();
  };

  const result = () => JSON.stringify({
    format_version: 1, test: plan.test, kind: plan.kind, listener: state.listener,
    answers: plan.trials.filter(({ name }) => state.answers[name]).map(({ name }) => {
      const { choice, ratings, seconds } = state.answers[name];
      return { trial: name, choice, ratings, seconds };
    }),
  }, null, 1);
  const only = (id) => ["start", "trial", "end"].forEach((each) => { at(each).hidden = each !== id; });
  const finish = () => {
    turn += 1;
    player?.close();
    player = null;
    at("text").value = result();
    only("end");
    at("save").focus();
  };
  const begin = () => {
    state.listener = at("listener").value.trim();
    if (!state.listener) { at("listener").focus(); return; }
    keep();
    context ||= new AudioContext();
    context.resume();
    if (state.at >= plan.trials.length) { finish(); return; }
    only("trial");
    at("play").focus();
    open();
  };

  at("begin").addEventListener("click", begin);
  at("listener").addEventListener("keydown", (event) => { if (event.key === "Enter") begin(); });
  at("play").addEventListener("click", toggle);
  at("next").addEventListener("click", () => leave(state.at + 1));
  at("back").addEventListener("click", () => leave(state.at - 1));
  at("again").addEventListener("click", () => { state.at = 0; only("trial"); open(); });
  at("loop").addEventListener("change", () => {
    if (!player) return;
    const where = player.position;
    player.loop = at("loop").checked;
    player.seek(where);
  });
  at("position").addEventListener("input", () => player?.seek(Number(at("position").value)));
  at("save").addEventListener("click", () => {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([result()], { type: "application/json" }));
    const name = state.listener.replace(/[^\p{L}\p{N}]+/gu, "-").slice(0, 40);
    link.download = `answers-${plan.test}-${name}.json`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  });
  document.addEventListener("keydown", (event) => {
    if (at("trial").hidden || event.ctrlKey || event.metaKey || event.altKey) return;
    const key = event.key.toUpperCase();
    const onButton = event.target instanceof HTMLButtonElement || event.target.type === "checkbox";
    if (event.key === " " && !onButton) { event.preventDefault(); toggle(); }
    else if (key === "ENTER" && !onButton) { if (!at("next").disabled) leave(state.at + 1); }
    else if (plan.kind === "mushra" && /^[0-9]$/.test(key)) listen(Number(key));
    else if (plan.kind !== "mushra" && LETTERS.includes(key)) listen(LETTERS.indexOf(key));
    else if (plan.kind !== "mushra" && /^[1-9]$/.test(key) && plan.answers[key - 1]) choose(plan.answers[key - 1][0]);
  });
  const tick = () => {
    if (player) {
      const now = player.position;
      if (document.activeElement !== at("position") || player.playing) at("position").value = String(now);
      at("clock").textContent = `${Math.floor(now / 60)}:${String(Math.floor(now % 60)).padStart(2, "0")}`;
    }
    requestAnimationFrame(tick);
  };
  at("listener").value = state.listener;
  at("going-on").hidden = Object.keys(state.answers).length === 0;
  only("start");
  tick();
})();
