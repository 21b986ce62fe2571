// The study mode: one question at a time, its answer hidden until asked for, scheduled by FSRS.
//
// The page holds all questions as folded <details>; this makes one card at a time of them. Progress
// is kept in the browser (localStorage) and goes nowhere else. In the file that is served, ts-fsrs
// stands before this and gives the global FSRS. Pure functions come first, the page last.
//
// Instant navigation runs this again each time the page is opened; what outlives that is in
// globalThis.studyMode.
"use strict";

(() => {
  const FORMAT = "study-progress";
  const VERSION = 1;
  const LARGEST = 10_000_000; // bytes of a file; browsers keep about half of it
  const HOUR = 3_600_000; // ms
  const DAY = 24 * HOUR;
  const DAY_STARTS = 4; // o'clock: who studies past midnight is still at the day before
  const MORE = 5; // new questions that are offered at the end
  const GRADES = [
    { rating: 1, name: "Again", meaning: "you did not know it" },
    { rating: 2, name: "Hard", meaning: "you knew it with effort" },
    { rating: 3, name: "Good", meaning: "you knew it" },
    { rating: 4, name: "Easy", meaning: "you knew it at once" },
  ];

  // ── time ───────────────────────────────────────────────────────────────────────────────────

  /** A moment (ms) by the reader's clock, as if that were UTC and a day began at DAY_STARTS. */
  const studyClock = (moment) => {
    const d = new Date(moment - DAY_STARTS * HOUR);
    const date = [d.getFullYear(), d.getMonth(), d.getDate()];
    return Date.UTC(...date, d.getHours(), d.getMinutes(), d.getSeconds(), d.getMilliseconds());
  };

  /** The number of the reader's day that a moment lies in. */
  const dayOf = (moment) => Math.floor(studyClock(moment) / DAY);

  const isoDate = (moment) => new Date(moment).toISOString();

  // ── words ──────────────────────────────────────────────────────────────────────────────────

  const count = (n, one, many = `${one}s`) => `${n} ${n === 1 ? one : many}`;

  const cut = (value) => {
    const text = typeof value === "string" ? value : (JSON.stringify(value) ?? "nothing");
    return `“${text.length > 40 ? `${text.slice(0, 40)}…` : text}”`;
  };

  /** How long it is until a card that was just graded is due. */
  const interval = ({ due, last_review: seen, scheduled_days: days }) => {
    const minutes = Math.round((Date.parse(due) - Date.parse(seen)) / 60_000);
    if (days < 1) return minutes < 60 ? `${minutes} min` : count(Math.round(minutes / 60), "hour");
    if (days < 60) return count(days, "day");
    if (days < 700) return count(Math.round(days / 30.44), "month");
    return count(Number((days / 365.25).toFixed(1)), "year");
  };

  /** When a card comes back, seen from now. */
  const comesBack = (record, now) => {
    const days = dayOf(Date.parse(record.due)) - dayOf(now);
    if (days > 1) return `in ${interval({ ...record, scheduled_days: days })}`;
    if (days === 1) return "tomorrow";
    return `in ${count(Math.max(1, Math.ceil((Date.parse(record.due) - now) / 60_000)), "minute")}`;
  };

  // ── progress: what is kept ─────────────────────────────────────────────────────────────────
  //
  // { cards: Map of stem → record, log: [{card, at, rating, state}], settings }
  // A record is a card of FSRS with its dates as ISO text. Cards that the page does not have are
  // kept. `state` in the log is what a card was before: 0 new, 1 learning, 2 review, 3 relearning.

  // `begun` is when the reader started over, if ever; `extra` new questions were asked for on a day.
  const SETTINGS =
    { perDay: 10, keys: true, topic: "", level: "", extraDay: 0, extra: 0, begun: "" };

  const emptyProgress = () => ({ cards: new Map(), log: [], settings: { ...SETTINGS } });

  const isEmpty = ({ cards, log }) => cards.size === 0 && log.length === 0;

  /** Says in its message what is wrong with a text that should be progress. */
  class Unfit extends Error {}

  const unfit = (sentence) => {
    throw new Unfit(sentence);
  };

  const isObject = (value) => typeof value === "object" && value !== null && !Array.isArray(value);

  const readDate = (value, what) => {
    const moment = typeof value === "string" ? Date.parse(value) : NaN;
    if (Number.isNaN(moment) || isoDate(moment) !== value) {
      unfit(`${what} is not a date: ${cut(value)}.`);
    }
    return value;
  };

  const readNumber = (value, least, most, what) => {
    if (typeof value !== "number" || !(value >= least && value <= most)) {
      unfit(`${what} is not a number from ${least} to ${most}: ${cut(value)}.`);
    }
    return value;
  };

  const readWhole = (value, least, most, what) => {
    if (!Number.isInteger(value)) unfit(`${what} is not a whole number: ${cut(value)}.`);
    return readNumber(value, least, most, what);
  };

  const readName = (value, what) => {
    if (typeof value !== "string" || !/^[^\u0000-\u001f]{1,200}$/.test(value)) {
      unfit(`${what} has no name that a question can have: ${cut(value)}.`);
    }
    return value;
  };

  const readRecord = (value, stem) => {
    const card = `the card ${cut(stem)}`;
    if (!isObject(value)) unfit(`${card} is not a record.`);
    const record = {
      due: readDate(value.due, `the due date of ${card}`),
      last_review: readDate(value.last_review, `the last review of ${card}`),
      stability: readNumber(value.stability, 0.001, 36_500, `the stability of ${card}`),
      difficulty: readNumber(value.difficulty, 1, 10, `the difficulty of ${card}`),
      scheduled_days: readWhole(value.scheduled_days, 0, 36_500, `the interval of ${card}`),
      learning_steps: readWhole(value.learning_steps, 0, 100, `the learning step of ${card}`),
      reps: readWhole(value.reps, 1, 1e9, `the number of reviews of ${card}`),
      lapses: readWhole(value.lapses, 0, 1e9, `the number of lapses of ${card}`),
      state: readWhole(value.state, 1, 3, `the state of ${card}`),
    };
    if (Date.parse(record.due) < Date.parse(record.last_review)) {
      unfit(`${card} is due before it was last reviewed.`);
    }
    return record;
  };

  const readEntry = (value, index) => {
    const entry = `entry ${index + 1} of the log`;
    if (!isObject(value)) unfit(`${entry} is not a record.`);
    return {
      card: readName(value.card, entry),
      at: readDate(value.at, `the time of ${entry}`),
      rating: readWhole(value.rating, 1, 4, `the grade of ${entry}`),
      state: readWhole(value.state, 0, 3, `the state of ${entry}`),
    };
  };

  const readSettings = (value) => {
    if (!isObject(value)) unfit("its settings are not a record.");
    const read = { ...SETTINGS };
    for (const [name, usual] of Object.entries(SETTINGS)) {
      if (!Object.hasOwn(value, name)) continue;
      if (typeof value[name] !== typeof usual) {
        unfit(`the setting “${name}” is ${cut(value[name])}, which it cannot be.`);
      }
      read[name] = value[name];
    }
    readWhole(read.perDay, 0, 1000, "the number of new questions a day");
    readWhole(read.extraDay, 0, 1e8, "the day of more new questions");
    readWhole(read.extra, 0, 1e6, "the number of more new questions");
    if (read.begun) readDate(read.begun, "the time of the last start");
    return read;
  };

  /** The progress in a text. Throws Unfit, whose message is the end of a sentence. */
  const readProgress = (text) => {
    const known = (key, part) =>
      key === "__proto__" ? unfit("it holds the key “__proto__”, which no progress has.") : part;
    let value;
    try {
      value = JSON.parse(text, known);
    } catch (error) {
      if (error instanceof Unfit) throw error;
      unfit("it is not JSON.");
    }
    if (!isObject(value) || value.format !== FORMAT) {
      unfit(`it is not study progress: it does not say "format": "${FORMAT}".`);
    }
    if (value.version !== VERSION) {
      const version = cut(value.version);
      unfit(`it has version ${version} of the format, and this page reads version ${VERSION}.`);
    }
    if (!isObject(value.cards)) unfit("it has no cards.");
    if (!Array.isArray(value.log)) unfit("it has no log.");
    const cards = Object.entries(value.cards).map(([stem, record]) => [
      readName(stem, "a card"),
      readRecord(record, stem),
    ]);
    return {
      cards: new Map(cards),
      log: value.log.map(readEntry),
      settings: readSettings(value.settings ?? {}),
    };
  };

  /** The text that readProgress reads; equal progress gives an equal text. */
  const writeProgress = ({ cards, log, settings }, indent = 0) => {
    const sorted = Object.fromEntries([...cards].sort(([a], [b]) => (a < b ? -1 : 1)));
    const document = { format: FORMAT, version: VERSION, cards: sorted, log, settings };
    return JSON.stringify(document, null, indent);
  };

  const entryId = ({ card, at, rating }) => `${at} ${rating} ${card}`;

  /**
   * Two progresses made one: of each card the record with the newest review, all of both logs.
   * Settings are ours, unless we have nothing yet. `report` counts what became of their cards.
   */
  const mergeProgress = (ours, theirs) => {
    const cards = new Map(ours.cards);
    const report = { added: 0, newer: 0, kept: 0 };
    for (const [stem, record] of theirs.cards) {
      const own = cards.get(stem);
      if (own && Date.parse(own.last_review) >= Date.parse(record.last_review)) {
        report.kept += 1;
      } else {
        report[own ? "newer" : "added"] += 1;
        cards.set(stem, record);
      }
    }
    const entries = new Map([...ours.log, ...theirs.log].map((entry) => [entryId(entry), entry]));
    const log = [...entries.values()].sort((a, b) => Date.parse(a.at) - Date.parse(b.at));
    const settings = { ...(isEmpty(ours) ? theirs : ours).settings };
    return { progress: { cards, log, settings }, report };
  };

  /** Progress with those grades that it lacks: another tab wrote it without having seen them. */
  const restored = (progress, steps) => {
    const known = new Set(progress.log.map(entryId));
    const lost = steps.filter(({ entry }) => !known.has(entryId(entry)));
    if (!lost.length) return progress;
    const cards = new Map(lost.map(({ stem, after }) => [stem, after]));
    const log = lost.map(({ entry }) => entry);
    return mergeProgress(progress, { ...progress, cards, log }).progress;
  };

  // ── scheduling ─────────────────────────────────────────────────────────────────────────────

  // No fuzz: it spreads the days of a thousand cards learned on one, and would make a button's
  // promise untrue. Steps within a day (1 and 10 minutes) and the aim of 90 % are FSRS's own.
  let scheduler;

  /**
   * What each grade would make of a card: rating → record.
   *
   * FSRS counts days by UTC; it is given the reader's own days. A clock that went backwards counts
   * as no time passed: FSRS refuses less than none.
   */
  const outcomes = (before, now) => {
    scheduler ??= FSRS.fsrs({ enable_fuzz: false, enable_short_term: true });
    const at = studyClock(now);
    const shifted = (date) => new Date(studyClock(Math.min(now, Date.parse(date))));
    const card = before
      ? { ...before, due: shifted(before.due), last_review: shifted(before.last_review) }
      : FSRS.createEmptyCard(new Date(at));
    const found = scheduler.repeat(card, new Date(at));
    const record = (made) => ({
      due: isoDate(now + made.due.getTime() - at),
      last_review: isoDate(now),
      stability: made.stability,
      difficulty: made.difficulty,
      scheduled_days: made.scheduled_days,
      learning_steps: made.learning_steps,
      reps: made.reps,
      lapses: made.lapses,
      state: made.state,
    });
    return Object.fromEntries(GRADES.map(({ rating }) => [rating, record(found[rating].card)]));
  };

  /** Progress after a grade, and the step that `takenBack` takes back. */
  const graded = (progress, stem, rating, now) => {
    const before = progress.cards.get(stem);
    const after = outcomes(before, now)[rating];
    const entry = { card: stem, at: after.last_review, rating, state: before?.state ?? 0 };
    return {
      progress: {
        ...progress,
        cards: new Map(progress.cards).set(stem, after),
        log: [...progress.log, entry],
      },
      step: { stem, before, after, entry },
    };
  };

  /** Progress without its last grade; null if the card was graded again since, in another tab. */
  const takenBack = (progress, { stem, before, after, entry }) => {
    if (progress.cards.get(stem)?.last_review !== after.last_review) return null;
    const cards = new Map(progress.cards);
    if (before) cards.set(stem, before);
    else cards.delete(stem);
    return { ...progress, cards, log: progress.log.filter((e) => entryId(e) !== entryId(entry)) };
  };

  /**
   * Whether a card is to be asked now. One that comes back after days is due from the start of its
   * day. One that was last seen in the future, by a clock that was wrong, is due.
   */
  const isDue = ({ due, last_review: seen, scheduled_days: days }, now) => {
    if (Date.parse(seen) > now + DAY) return true;
    return days < 1 ? Date.parse(due) <= now : dayOf(Date.parse(due)) <= dayOf(now);
  };

  /**
   * What is to be asked of some cards, in this order: steps within the day whose time has come,
   * other due ones, new ones within the day's limit, and last the steps whose time has not come.
   *
   * Returns {queue: stems, due, fresh: how many of the queue, unseen: new ones beyond the limit,
   * started: new ones of today, answers: today's grades, done: cards that are through for today,
   * next: the record that is due next, if any}. Only `started` counts the other cards too.
   */
  const planned = (stems, { cards, log, settings }, now) => {
    const today = dayOf(now);
    const todays = log.filter(({ at }) => dayOf(Date.parse(at)) === today);
    const extra = settings.extraDay === today ? settings.extra : 0;
    const started = todays.filter(({ state }) => state === 0).length;
    const room = Math.max(0, settings.perDay + extra - started);

    const known = stems.filter((stem) => cards.has(stem));
    const unseen = stems.filter((stem) => !cards.has(stem));
    const soonest = (a, b) => Date.parse(cards.get(a).due) - Date.parse(cards.get(b).due);
    const within = (stem) => cards.get(stem).scheduled_days < 1;
    const due = known.filter((stem) => isDue(cards.get(stem), now)).sort(soonest);
    const later = known.filter((stem) => !due.includes(stem)).sort(soonest);

    const asked = [...due.filter(within), ...due.filter((stem) => !within(stem))];
    const fresh = unseen.slice(0, room);
    const queue = [...asked, ...fresh, ...later.filter(within)];
    const seen = todays.map(({ card }) => card).filter((card) => stems.includes(card));
    return {
      queue,
      due: queue.length - fresh.length,
      fresh: fresh.length,
      unseen: unseen.length - fresh.length,
      started,
      answers: seen.length,
      done: new Set(seen.filter((card) => !queue.includes(card))).size,
      next: cards.get(later.find((stem) => !within(stem))),
    };
  };

  // ── the browser's storage ──────────────────────────────────────────────────────────────────

  /**
   * Progress in localStorage under `key`, looked up again before each change, since another tab may
   * have changed it. A browser tells its tabs of each other's changes a moment later: what another
   * one overwrote meanwhile is put back, unless that one has started over.
   *
   * `trouble` says why nothing is being kept ("blocked" or "full"; then progress lives in memory).
   * `aside` is a text that was found and could not be read: {text, why, key}, `key` being where it
   * was put, or "" if there was no room; then it stays where it is and nothing is written.
   * `steps` are the grades of this visit, which can be taken back.
   */
  const openStore = (key) => {
    const store = { key, progress: emptyProgress(), trouble: "", aside: null, steps: [] };
    let seen; // the text that the storage held last
    let unsaved = false;

    const putAside = (text, why) => {
      store.aside = { text, why, key: "" };
      const place = `${key}:aside:${isoDate(Date.now())}`;
      try {
        localStorage.setItem(place, text);
        localStorage.removeItem(key);
        store.aside.key = place;
        seen = null;
      } catch {
        store.trouble = "full";
      }
    };

    store.latest = () => {
      let text;
      try {
        text = localStorage.getItem(key);
      } catch {
        store.trouble = "blocked";
        return store.progress;
      }
      if (text === seen) return store.progress;
      seen = text;
      if (text === null) {
        if (unsaved) return store.progress;
        store.progress = emptyProgress();
        store.steps = [];
        return store.progress;
      }
      try {
        const stored = readProgress(text);
        if (stored.settings.begun !== store.progress.settings.begun) store.steps = [];
        const found = unsaved ? mergeProgress(stored, store.progress).progress : stored;
        store.progress = restored(found, store.steps);
        if (store.progress !== found) store.save(store.progress);
      } catch (error) {
        if (!(error instanceof Unfit)) throw error;
        unsaved = !isEmpty(store.progress);
        putAside(text, error.message);
      }
      return store.progress;
    };

    store.save = (progress) => {
      store.progress = progress;
      unsaved = true;
      if (store.aside && !store.aside.key) return;
      const text = writeProgress(progress);
      try {
        localStorage.setItem(key, text);
        seen = text;
        unsaved = false;
        store.trouble = "";
      } catch (error) {
        store.trouble = error.name === "QuotaExceededError" ? "full" : "blocked";
      }
    };

    store.latest();
    return store;
  };

  if (typeof document === "undefined") {
    // The tests call these in Node.js.
    globalThis.studyMode = {
      comesBack, dayOf, emptyProgress, graded, interval, isDue, mergeProgress, outcomes, planned,
      readProgress, takenBack, writeProgress,
    };
    return;
  }

  // ── the page ───────────────────────────────────────────────────────────────────────────────

  const ABOUT =
    "The schedule is that of FSRS, a published model of forgetting, with its usual weights: a " +
    "question comes back when you would still answer it nine times out of ten. Nothing is left " +
    "to chance, so a button keeps its promise. A day begins at four in the morning.";
  const KEPT =
    "They are kept in this browser only, and go when you clear its data: export them to keep " +
    "them, or to take them to another browser.";

  /** An element with attributes (true: without a value; false: none) and what is in it. */
  const make = (tag, attributes = {}, ...content) => {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
      if (value !== false) element.setAttribute(name, value === true ? "" : value);
    }
    element.append(...content);
    return element;
  };

  const button = (text, action, style = "") => {
    const made = make("button", { type: "button", class: `study-button ${style}`.trim() }, text);
    made.addEventListener("click", () => action());
    return made;
  };

  const hint = (key) => make("kbd", { "aria-hidden": "true" }, key);

  const row = (...content) => make("div", { class: "study-row" }, ...content);

  /** A copy of what a card's <details> holds; ids stay with the original. */
  const copied = (nodes) =>
    nodes.map((node) => {
      const copy = node.cloneNode(true);
      if (!(copy instanceof Element)) return copy;
      for (const one of [copy, ...copy.querySelectorAll("[id]")]) one.removeAttribute("id");
      for (const one of copy.querySelectorAll(".md-clipboard, .md-code__nav")) one.remove();
      return copy;
    });

  const readCards = (list) =>
    [...list.querySelectorAll("details.card")].map((details) => {
      const [summary, ...answer] = details.children;
      const { topic, level } = details.dataset;
      const stem = details.id.slice("card-".length);
      return { stem, topic, level, question: [...summary.childNodes], answer };
    });

  const download = (text, name) => {
    const address = URL.createObjectURL(new Blob([text], { type: "application/json" }));
    make("a", { href: address, download: name }).click();
    setTimeout(() => URL.revokeObjectURL(address), 60_000);
  };

  /** A choice among values, and what is shown of it: nothing if there is nothing to choose. */
  const choice = (label, all, values, action) => {
    const select = make("select", {}, make("option", { value: "" }, all));
    select.append(...values.map((value) => make("option", { value }, value)));
    select.addEventListener("change", () => action(select.value));
    const shown = values.length > 1 ? [make("label", {}, make("span", {}, label), select)] : [];
    return [select, shown];
  };

  const startingOver = (act) => {
    const text = make("p");
    const said = make("p", { role: "status" });
    const keep = button("Keep my progress", () => dialog.close());
    keep.autofocus = true;
    const dialog = make(
      "dialog",
      { class: "study-dialog", "aria-labelledby": "study-start-over" },
      make("h2", { id: "study-start-over" }, "Start over?"),
      text,
      row(
        keep,
        button("Export it first", () => { said.textContent = act.exportFile(); }),
        button("Start over", () => { dialog.close(); act.startOver(); }, "study-danger"),
      ),
      said,
    );
    const ask = ({ cards, log }) => {
      text.textContent =
        `This removes the schedule of ${count(cards.size, "question")} and ` +
        `${count(log.length, "grade")} from this browser. It cannot be undone, except by ` +
        "importing a file that you exported.";
      said.textContent = "";
      dialog.showModal();
    };
    return { dialog, ask };
  };

  /** All elements of the study mode; `act` is what they do. */
  const construct = (cards, allLevels, act) => {
    const valuesOf = (name) => [...new Set(cards.map((card) => card[name]).filter(Boolean))];
    const levels = allLevels.filter((one) => valuesOf("level").includes(one));
    const [topic, topicShown] = choice("Topic", "All topics", valuesOf("topic"), (value) =>
      act.change({ topic: value }));
    const [level, levelShown] = choice("Level", "All levels", levels, (value) =>
      act.change({ level: value }));

    const ui = {
      topic,
      level,
      counts: make("p", { class: "study-counts" }),
      notice: make("div", { class: "study-notice", role: "alert", hidden: true }),
      facts: make("p", { class: "study-facts" }),
      undo: button("Undo", act.takeBack, "study-quiet"),
      question: make("h2", { class: "study-question", tabindex: "-1" }),
      answerHead: make("h3", { class: "study-answer-head", tabindex: "-1" }, "Short answer"),
      answerText: make("div", { class: "study-answer-text" }),
      end: make("div", { class: "study-end", hidden: true }),
      show: button("", act.reveal, "study-show"),
      grades: GRADES.map(({ rating, name }) =>
        button("", () => act.grade(rating), `study-grade study-${name.toLowerCase()}`)),
      keys: make("input", { type: "checkbox" }),
      perDay: make("input", { type: "number", min: "0", max: "1000", step: "1" }),
      file: make("input", { type: "file", accept: ".json,application/json", hidden: true }),
      kept: make("p"),
      outcome: make("p", { class: "study-outcome", role: "status" }),
      said: make("p", { class: "study-unseen", role: "status" }),
      ...startingOver(act),
    };
    const group = { role: "group", "aria-label": "How well did you know it?" };
    ui.grading = make("div", { class: "study-grades", ...group }, ...ui.grades);
    ui.answer = make("div", { class: "study-answer", hidden: true }, ui.answerHead, ui.answerText);
    ui.actions = make("div", { class: "study-actions" }, ui.show, ui.grading);
    ui.card = make(
      "section",
      { class: "study-card", "aria-label": "Question and answer" },
      make("div", { class: "study-line" }, ui.facts, ui.undo),
      ui.question,
      ui.answer,
      ui.end,
    );
    ui.settings = make(
      "details",
      { class: "study-settings" },
      make("summary", {}, "Settings and progress"),
      make("label", { class: "study-field" }, make("span", {}, "New questions a day"), ui.perDay),
      ui.kept,
      row(
        button("Export", act.exportFile),
        button("Import …", () => ui.file.click()),
        button("Start over …", act.askToStartOver),
      ),
      ui.file,
      ui.outcome,
      make("h2", {}, "What the grades mean"),
      make("ul", {}, ...GRADES.map(({ rating, name, meaning }) =>
        make("li", {}, make("b", {}, `${rating} ${name}`), `: ${meaning}.`))),
      make("p", {}, ABOUT),
    );
    const single = "Single keys: Space shows the answer, 1 to 4 grade it, u undoes";
    ui.app = make(
      "div",
      { class: "study-app" },
      make(
        "div",
        { class: "study-top" },
        ui.counts,
        make("div", { class: "study-filters" }, ...topicShown, ...levelShown),
      ),
      ui.notice,
      ui.card,
      ui.actions,
      make("label", { class: "study-keys" }, ui.keys, make("span", {}, single)),
      ui.settings,
      ui.dialog,
      ui.said,
    );
    return ui;
  };

  /** What the reader must know of the storage: paragraphs, each with its button. */
  const noticeOf = ({ aside, trouble }, act) => {
    const lines = [];
    if (aside) {
      const place = aside.key
        ? `It was put aside as “${aside.key}”, and you start afresh.`
        : "There is no room to put it aside, so it stays, and nothing new is kept.";
      const what = `The progress that this browser held cannot be read: ${aside.why} ${place}`;
      const save = () => download(aside.text, `${FORMAT}-unreadable.json`);
      lines.push(make("p", {}, what), button("Download what was there", save));
    }
    if (trouble) {
      const why = {
        full: "This browser's storage is full",
        blocked: "This browser does not let the page keep anything",
      }[trouble];
      const what = `${why}: your progress lasts as long as this tab. Export it before you leave.`;
      lines.push(make("p", {}, what), button("Export", act.exportFile));
    }
    return lines;
  };

  /** What is said when there is nothing to ask: a heading, and what follows it. */
  const endOf = ({ topic, level }, possible, plan, act) => {
    const buttons = [];
    if (plan.unseen) {
      const more = count(Math.min(MORE, plan.unseen), "new question");
      buttons.push(button(`Go on with ${more}`, act.goOn, "study-show"));
    }
    if (topic || level) buttons.push(button("Study all topics and levels", act.studyAll));
    if (!possible) {
      const why = make("p", {}, "No question has both this topic and this level.");
      return ["No question fits", why, row(...buttons)];
    }
    const done = plan.done && `${count(plan.done, "question")} done today.`;
    const next =
      plan.next && `The next question comes back ${comesBack(plan.next, Date.now())}.`;
    const said = make("p", {}, [done, next].filter(Boolean).join(" "));
    return [plan.answers ? "Done for now" : "Nothing is due", said, row(...buttons)];
  };

  const place = ({ answers, queue }) =>
    `Question ${answers + 1} of ${answers + Math.max(1, queue.length)}`;

  /** Turns the page's list into the study mode; returns what stops it. */
  const start = (root, store) => {
    const list = root.querySelector(".study-list");
    const how = root.querySelector(".study-how");
    const cards = readCards(list);
    const byStem = new Map(cards.map((card) => [card.stem, card]));
    const over = new AbortController(); // ends what listens outside of our elements
    let view; // the card on show, its record's last review then, and whether its answer is shown
    let timer;

    // ── what it does

    const chosen = () => {
      const { topic, level } = store.progress.settings;
      return cards
        .filter((card) => (!topic || card.topic === topic) && (!level || card.level === level))
        .map(({ stem }) => stem);
    };

    const plan = () => planned(chosen(), store.progress, Date.now());

    const lastReview = (stem) => store.progress.cards.get(stem)?.last_review ?? "";

    /** Put a card on show; without a stem there is none. */
    const put = (stem, shown = false) => {
      view = { stem, shown, seen: lastReview(stem) };
    };

    const next = () => put(plan().queue[0] ?? "");

    const tell = (...sentences) => {
      ui.said.textContent = sentences.filter(Boolean).join(" ");
    };

    const position = () => view.stem && `${place(plan())}.`;

    const act = {
      reveal: () => {
        if (!view.stem || view.shown) return;
        view.shown = true;
        render();
        ui.answerHead.focus();
        tell();
      },

      grade: (rating) => {
        if (!view.stem || !view.shown) return;
        const { progress, step } = graded(store.latest(), view.stem, rating, Date.now());
        store.save(progress);
        store.steps.push(step);
        next();
        render();
        ui.question.focus();
        const { name } = GRADES[rating - 1];
        tell(`${name}: comes back in ${interval(step.after)}.`, position());
      },

      takeBack: () => {
        const step = store.steps.pop();
        if (!step) return;
        const before = takenBack(store.latest(), step);
        if (before) {
          store.save(before);
          if (byStem.has(step.stem)) put(step.stem, true);
        }
        render();
        (view.shown ? ui.answerHead : ui.question).focus();
        const { name } = GRADES[step.entry.rating - 1];
        if (before) tell(`Taken back: ${name}. Grade it again.`);
        else tell("Not taken back: another tab has changed this question since.");
      },

      change: (settings) => {
        const progress = store.latest();
        store.save({ ...progress, settings: { ...progress.settings, ...settings } });
        const which = !("keys" in settings); // it may change which card is next
        if (which && !(view.shown && chosen().includes(view.stem))) next();
        render();
        if (which) tell(`${ui.counts.textContent}.`);
      },

      goOn: () => {
        const { settings } = store.latest();
        // The limit may have been lowered below what was started today.
        const extra = Math.max(0, plan().started - settings.perDay) + MORE;
        act.change({ extraDay: dayOf(Date.now()), extra });
        ui.question.focus();
      },

      studyAll: () => {
        act.change({ topic: "", level: "" });
        ui.question.focus();
      },

      exportFile: () => {
        const now = new Date();
        const date = [now.getFullYear(), now.getMonth() + 1, now.getDate()];
        const name = `${FORMAT}-${date.map((n) => String(n).padStart(2, "0")).join("-")}.json`;
        download(writeProgress(store.latest(), 1), name);
        ui.outcome.textContent = `Exported as ${name}.`;
        ui.outcome.classList.remove("study-refused");
        return ui.outcome.textContent;
      },

      importFile: async (file) => {
        let refused = false;
        try {
          if (file.size > LARGEST) {
            const size = Math.ceil(file.size / 1e6);
            unfit(`it has ${size} MB, more than the ${LARGEST / 1e6} MB that progress can have.`);
          }
          const theirs = readProgress(await file.text());
          const { progress, report } = mergeProgress(store.latest(), theirs);
          store.save(progress);
          next();
          const unknown = [...theirs.cards.keys()].filter((stem) => !byStem.has(stem)).length;
          ui.outcome.textContent =
            `Imported ${file.name}: ${count(report.added, "question")} added, ` +
            `${report.newer} replaced by a newer review, ${report.kept} kept as they are here.` +
            (unknown ? ` This site does not have ${unknown} of them; they are kept too.` : "");
        } catch (error) {
          if (!(error instanceof Unfit || error instanceof DOMException)) throw error;
          refused = true;
          const why = error instanceof Unfit ? error.message : "the browser cannot read it.";
          ui.outcome.textContent =
            `Nothing was imported from ${file.name}: ${why} Your progress is as it was.`;
        }
        ui.outcome.classList.toggle("study-refused", refused);
        render();
      },

      askToStartOver: () => ui.ask(store.latest()),

      startOver: () => {
        const { settings } = store.latest();
        store.steps = [];
        store.save({ ...emptyProgress(), settings: { ...settings, begun: isoDate(Date.now()) } });
        next();
        render();
        ui.outcome.textContent = "Your progress was removed from this browser.";
      },
    };

    const ui = construct(cards, root.dataset.levels.split(" "), act);

    /** Take in what another tab or the clock has changed. */
    const refresh = () => {
      const { stem, seen } = view;
      store.latest();
      if (!stem || lastReview(stem) !== seen || !chosen().includes(stem)) next();
      const focused = [ui.card, ui.actions].some((one) => one.contains(document.activeElement));
      render();
      if (view.stem === stem) return;
      if (focused) ui.question.focus();
      tell("The schedule has changed.", position());
    };

    // ── how it looks

    const renderCard = (current, now) => {
      const { settings } = store.progress;
      const heading = current ? copied(current.question) : [];
      const end = current ? [] : endOf(settings, chosen().length, now, act);
      ui.question.replaceChildren(...heading, ...end.slice(0, 1));
      ui.end.replaceChildren(...end.slice(1));
      ui.facts.textContent = current
        ? [place(now), current.topic, current.level].filter(Boolean).join(" · ")
        : "";
      ui.answerText.replaceChildren(...(view.shown ? copied(current.answer) : []));
      ui.card.classList.toggle("study-ended", !current);
      ui.answer.hidden = !view.shown;
      ui.end.hidden = Boolean(current);
      ui.undo.hidden = store.steps.length === 0;
    };

    const renderActions = (current) => {
      const withKeys = store.progress.settings.keys;
      ui.actions.hidden = !current;
      ui.show.hidden = view.shown;
      ui.grading.hidden = !view.shown;
      ui.show.replaceChildren("Show the answer", ...(withKeys ? [hint("Space")] : []));
      const would = view.shown && outcomes(store.progress.cards.get(view.stem), Date.now());
      GRADES.forEach(({ rating, name }, i) =>
        ui.grades[i].replaceChildren(
          make("span", { class: "study-name" }, ...(withKeys ? [hint(rating)] : []), name),
          make("span", { class: "study-unseen" }, ", comes back in "),
          make("span", { class: "study-interval" }, would ? interval(would[rating]) : ""),
        ));
      const shortcuts = [[ui.show, "Space Enter"], [ui.undo, "u"]];
      shortcuts.push(...GRADES.map(({ rating }, i) => [ui.grades[i], rating]));
      for (const [element, key] of shortcuts) {
        if (withKeys) element.setAttribute("aria-keyshortcuts", key);
        else element.removeAttribute("aria-keyshortcuts");
      }
    };

    const renderAround = (now) => {
      const { cards: started, log, settings } = store.progress;
      ui.counts.textContent = `${now.due} due, ${now.fresh} new, ${now.done} done today`;
      ui.topic.value = settings.topic;
      ui.level.value = settings.level;
      ui.keys.checked = settings.keys;
      if (document.activeElement !== ui.perDay) ui.perDay.value = settings.perDay;
      how.hidden = log.length > 0;
      const given = `${count(log.length, "grade")} given`;
      ui.kept.textContent = `${count(started.size, "question")} started, ${given}. ${KEPT}`;
      const notice = noticeOf(store, act);
      const text = notice.map((line) => line.textContent).join(" ");
      if (ui.notice.dataset.text !== text) ui.notice.replaceChildren(...notice);
      ui.notice.dataset.text = text; // said once, not with every card
      ui.notice.hidden = notice.length === 0;
    };

    const render = () => {
      const now = plan();
      const current = byStem.get(view.stem);
      renderAround(now);
      renderCard(current, now);
      renderActions(current);
      clearTimeout(timer);
      // At the end, look once a minute whether something has become due.
      if (!current) timer = setTimeout(() => (root.isConnected ? refresh() : stop()), 60_000);
    };

    // ── keys

    /** What a key does here and now; nothing while somebody types. */
    const meant = ({ key, code, target, shiftKey }) => {
      const element = target instanceof Element ? target : document.body;
      const searching = document.querySelector("#__search")?.checked; // Material's
      if (!store.progress.settings.keys || ui.dialog.open || searching) return null;
      if (element.closest("input, select, textarea, [contenteditable]")) return null;
      const control = element.closest("a, button, summary, label"); // Space and Enter are its own
      // On a French keyboard digits need Shift; there their place counts too.
      const digit = /^[1-4]$/.test(key) ? key : !shiftKey && /^Digit([1-4])$/.exec(code)?.[1];
      if (digit && view.shown) return () => act.grade(Number(digit));
      if (shiftKey) return null;
      const asked = view.stem && !view.shown;
      if ((key === " " || key === "Enter") && asked && !control) return act.reveal;
      if (key === "u" && store.steps.length) return act.takeBack;
      return null;
    };

    const onKey = (event) => {
      if (!root.isConnected) {
        stop();
        return;
      }
      const modified = event.ctrlKey || event.metaKey || event.altKey;
      if (modified || event.repeat || event.isComposing || event.defaultPrevented) return;
      const action = meant(event);
      if (!action) return;
      event.preventDefault();
      action();
    };

    // ── from here on it runs

    const stop = () => {
      over.abort();
      watch.disconnect();
      clearTimeout(timer);
    };

    const listen = (target, kind, action) =>
      target.addEventListener(kind, action, { signal: over.signal });
    listen(document, "keydown", onKey);
    listen(window, "storage", ({ key }) => {
      if (key === store.key || key === null) refresh();
    });
    listen(document, "visibilitychange", () => {
      if (!document.hidden && !view.stem) refresh();
    });
    // Instant navigation replaces a child of the body.
    const watch = new MutationObserver(() => root.isConnected || stop());
    watch.observe(document.body, { childList: true });

    ui.keys.addEventListener("change", () => act.change({ keys: ui.keys.checked }));
    ui.perDay.addEventListener("change", () => {
      const { value, valueAsNumber: perDay, validity } = ui.perDay;
      if (value && validity.valid) act.change({ perDay });
      else ui.perDay.value = store.progress.settings.perDay;
    });
    ui.file.addEventListener("change", async () => {
      if (ui.file.files.length) await act.importFile(ui.file.files[0]);
      ui.file.value = ""; // so that the same file can be chosen again
    });

    // A link to a card asks that card first, once.
    const { hash, pathname, search } = location;
    const linked = cards.find(({ stem }) =>
      [stem, encodeURIComponent(stem)].some((name) => hash === `#card-${name}`));
    if (linked) history.replaceState(history.state, "", pathname + search);
    if (linked) put(linked.stem);
    else next();
    render();
    root.querySelector(".study-plain").hidden = true;
    list.hidden = true;
    root.classList.remove("study-waits");
    how.after(ui.app);
    return stop;
  };

  const root = document.querySelector(".study");
  if (!root) return;
  globalThis.studyMode?.stop();
  // Other sites may share the host: what is kept goes by the folder of the site that this is from.
  const sitePath = new URL("..", document.currentScript.src).pathname;
  const store = globalThis.studyMode?.store ?? openStore(`${FORMAT}:${sitePath}`);
  store.latest();
  globalThis.studyMode = { store, stop: () => {} };
  const begin = () => {
    if (root.isConnected) globalThis.studyMode.stop = start(root, store);
  };
  // After instant navigation the style sheet of the page comes later than its script.
  const sheet = document.querySelector("article link[rel=stylesheet]");
  if (!sheet || sheet.sheet) begin();
  else for (const end of ["load", "error"]) sheet.addEventListener(end, begin, { once: true });
})();
