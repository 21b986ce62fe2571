// The study mode: one question at a time, its answer hidden until asked for, scheduled by FSRS.
//
// The page holds all questions as folded <details>; this makes one card at a time of them. Progress
// is kept in the browser (localStorage) and goes nowhere else. In the file that is served, ts-fsrs
// stands before this and gives the global FSRS. Pure functions come first, the page last.
//
// Instant navigation runs this again each time the page is opened: what must outlive that is in
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
  // kept. `state` in the log is what the card was before: 0 new, 1 learning, 2 review, 3 relearning.

  const SETTINGS = { perDay: 10, keys: true, topic: "", level: "", extraDay: 0, extra: 0 };

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
   * have changed it.
   *
   * `trouble` says why nothing is being kept ("blocked" or "full"; then progress lives in memory).
   * `aside` is a text that was found and could not be read: {text, why, key}, `key` being where it
   * was put, or "" if there was no room; then it stays where it is and nothing is written.
   */
  const openStore = (key) => {
    const store = { key, progress: emptyProgress(), trouble: "", aside: null };
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
        if (!unsaved) store.progress = emptyProgress();
        return store.progress;
      }
      try {
        const stored = readProgress(text);
        store.progress = unsaved ? mergeProgress(stored, store.progress).progress : stored;
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

  const pure = {
    comesBack, dayOf, emptyProgress, graded, interval, isDue, mergeProgress, outcomes, planned,
    readProgress, takenBack, writeProgress,
  };
  if (typeof document === "undefined") {
    globalThis.studyMode = pure; // the tests call them in Node.js
    return;
  }

  // ── the page ───────────────────────────────────────────────────────────────────────────────

  /** An element with attributes (true: without a value; false: none) and what is in it. */
  const make = (tag, attributes = {}, ...content) => {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
      if (value !== false) element.setAttribute(name, value === true ? "" : value);
    }
    element.append(...content);
    return element;
  };

  const button = (text, action, attributes = {}) => {
    const made = make("button", { type: "button", class: "study-button", ...attributes }, text);
    made.addEventListener("click", action);
    return made;
  };

  /** A copy of what a card's <details> holds; ids stay with the original. */
  const copied = (nodes) =>
    nodes.map((node) => {
      const copy = node.cloneNode(true);
      if (copy instanceof Element) {
        for (const element of [copy, ...copy.querySelectorAll("[id]")]) element.removeAttribute("id");
        copy.querySelectorAll(".md-clipboard, .md-code__nav").forEach((element) => element.remove());
      }
      return copy;
    });

  const readCards = (list) =>
    [...list.querySelectorAll("details.card")].map((details) => {
      const [summary, ...answer] = details.children;
      const { topic, level } = details.dataset;
      return { stem: details.id.slice("card-".length), topic, level, question: [...summary.childNodes], answer };
    });

  const download = (text, name) => {
    const address = URL.createObjectURL(new Blob([text], { type: "application/json" }));
    make("a", { href: address, download: name }).click();
    setTimeout(() => URL.revokeObjectURL(address), 60_000);
  };

  /** Turns the page's list into the study mode; returns what stops it. */
  const start = (root, store) => {
    const list = root.querySelector(".study-list");
    const how = root.querySelector(".study-how");
    const cards = readCards(list);
    const byStem = new Map(cards.map((card) => [card.stem, card]));
    const over = new AbortController(); // ends every listener of ours
    let view = { stem: "", shown: false, seen: "" }; // the card on show; none: stem ""
    let timer;

    // ── what it is made of

    const counts = make("p", { class: "study-counts" });
    const notice = make("div", { class: "study-notice", role: "alert", hidden: true });
    const facts = make("p", { class: "study-facts" });
    const undo = button("Undo", () => takeBack(), { class: "study-button study-quiet", hidden: true });
    const question = make("h2", { class: "study-question", tabindex: "-1" });
    const answerHead = make("h3", { class: "study-answer-head", tabindex: "-1" }, "Short answer");
    const answerText = make("div", { class: "study-answer-text" });
    const answer = make("div", { class: "study-answer", hidden: true }, answerHead, answerText);
    const end = make("div", { class: "study-end", hidden: true });
    const show = button("", () => reveal(), { class: "study-button study-show" });
    const grades = make("div", { class: "study-grades", role: "group", "aria-label": "How well did you know it?" });
    const gradeButtons = GRADES.map(({ rating, name }) =>
      button("", () => grade(rating), { class: `study-button study-grade study-${name.toLowerCase()}` }),
    );
    grades.append(...gradeButtons);
    const actions = make("div", { class: "study-actions" }, show, grades);
    const said = make("p", { class: "study-unseen", role: "status" });
    const outcome = make("p", { class: "study-outcome", role: "status" });
    const keys = make("input", { type: "checkbox" });
    const perDay = make("input", { type: "number", min: "0", max: "1000", step: "1", inputmode: "numeric" });
    const file = make("input", { type: "file", accept: ".json,application/json", hidden: true });
    const kept = make("p");

    const choice = (name, values, all) => {
      const select = make("select", {}, make("option", { value: "" }, all));
      select.append(...values.map((value) => make("option", { value }, value)));
      select.addEventListener("change", () => change({ [name]: select.value }, select));
      return select;
    };
    const valuesOf = (name) => [...new Set(cards.map((card) => card[name]).filter(Boolean))];
    const levels = ["basic", "core", "advanced"].filter((level) => valuesOf("level").includes(level));
    const topic = choice("topic", valuesOf("topic"), "All topics");
    const level = choice("level", levels, "All levels");
    const filters = make("div", { class: "study-filters" });
    if (topic.options.length > 2) filters.append(make("label", {}, make("span", {}, "Topic"), topic));
    if (level.options.length > 2) filters.append(make("label", {}, make("span", {}, "Level"), level));

    const dialogHead = make("h2", { id: "study-start-over" }, "Start over?");
    const dialogText = make("p");
    const dialog = make(
      "dialog",
      { class: "study-dialog", "aria-labelledby": dialogHead.id },
      dialogHead,
      dialogText,
      make(
        "div",
        { class: "study-row" },
        button("Keep my progress", () => dialog.close(), { autofocus: true }),
        button("Export it first", () => exportFile()),
        button("Start over", () => startOver(), { class: "study-button study-danger" }),
      ),
    );

    const grading = make("ul", {}, ...GRADES.map(({ name, meaning }, i) =>
      make("li", {}, make("b", {}, `${i + 1} ${name}`), `: ${meaning}.`)));
    const settings = make(
      "details",
      { class: "study-settings" },
      make("summary", {}, "Settings and progress"),
      make("label", { class: "study-field" }, make("span", {}, "New questions a day"), perDay),
      kept,
      make(
        "div",
        { class: "study-row" },
        button("Export", () => exportFile()),
        button("Import …", () => file.click()),
        button("Start over …", () => askToStartOver()),
      ),
      file,
      outcome,
      make("h3", {}, "What the grades mean"),
      grading,
      make("p", {}, "The schedule is that of FSRS, a published model of forgetting, with its usual weights: a question comes back when you would still answer it nine times out of ten. Nothing is left to chance, so a button keeps its promise. A day begins at four in the morning."),
    );

    const card = make(
      "section",
      { class: "study-card", "aria-label": "Question and answer" },
      make("div", { class: "study-line" }, facts, undo),
      question,
      answer,
      end,
    );
    const app = make(
      "div",
      { class: "study-app" },
      make("div", { class: "study-top" }, counts, filters),
      notice,
      card,
      actions,
      make("label", { class: "study-keys" }, keys, make("span", {}, "Single keys: Space shows the answer, 1 to 4 grade it, u undoes")),
      settings,
      dialog,
      said,
    );

    // ── what it does

    const chosen = () => {
      const { topic: t, level: l } = store.progress.settings;
      return cards.filter((card) => (!t || card.topic === t) && (!l || card.level === l)).map(({ stem }) => stem);
    };

    const plan = () => planned(chosen(), store.progress, Date.now());

    const put = (stem, shown = false) => {
      view = { stem, shown, seen: store.progress.cards.get(stem)?.last_review ?? "" };
    };

    const next = () => put(plan().queue[0] ?? "");

    const tell = (...sentences) => {
      said.textContent = sentences.filter(Boolean).join(" ");
    };

    const place = ({ answers, queue }) => `Question ${answers + 1} of ${answers + Math.max(1, queue.length)}`;

    const reveal = () => {
      if (!view.stem || view.shown) return;
      view.shown = true;
      render();
      answerHead.focus();
      tell("");
    };

    const grade = (rating) => {
      if (!view.stem || !view.shown) return;
      const { progress, step } = graded(store.latest(), view.stem, rating, Date.now());
      store.save(progress);
      globalThis.studyMode.steps.push(step);
      next();
      render();
      question.focus();
      const { name } = GRADES[rating - 1];
      tell(`${name}: comes back in ${interval(step.after)}.`, view.stem && `${place(plan())}.`);
    };

    const takeBack = () => {
      const step = globalThis.studyMode.steps.pop();
      if (!step) return;
      const before = takenBack(store.latest(), step);
      if (before) {
        store.save(before);
        if (byStem.has(step.stem)) put(step.stem, true);
      }
      render();
      (view.shown ? answerHead : question).focus();
      const { name } = GRADES[step.entry.rating - 1];
      tell(
        before
          ? `Taken back: ${name}. Grade it again.`
          : `Not taken back: another tab has changed this question since.`,
      );
    };

    /** Changes settings; the control that did it keeps the focus. */
    const change = (settings, control) => {
      const progress = store.latest();
      store.save({ ...progress, settings: { ...progress.settings, ...settings } });
      if (!chosen().includes(view.stem) || !view.shown) next();
      render();
      if (control !== keys) tell(`${counts.textContent}.`);
    };

    const goOn = () => {
      const { settings } = store.latest();
      // The limit may have been lowered below what was started today.
      const extra = Math.max(0, plan().started - settings.perDay) + MORE;
      change({ extraDay: dayOf(Date.now()), extra });
      question.focus();
    };

    const exportFile = () => {
      const d = new Date();
      const date = [d.getFullYear(), d.getMonth() + 1, d.getDate()].map((n) => String(n).padStart(2, "0"));
      const name = `${FORMAT}-${date.join("-")}.json`;
      download(writeProgress(store.latest(), 1), name);
      outcome.textContent = `Exported as ${name}.`;
    };

    const importFile = async (chosenFile) => {
      try {
        if (chosenFile.size > LARGEST) {
          const size = Math.ceil(chosenFile.size / 1e6);
          unfit(`it has ${size} MB, more than the ${LARGEST / 1e6} MB that progress can have.`);
        }
        const theirs = readProgress(await chosenFile.text());
        const { progress, report } = mergeProgress(store.latest(), theirs);
        store.save(progress);
        next();
        const unknown = [...theirs.cards.keys()].filter((stem) => !byStem.has(stem)).length;
        outcome.textContent =
          `Imported ${chosenFile.name}: ${count(report.added, "question")} added, ` +
          `${report.newer} replaced by a newer review, ${report.kept} kept as they are here.` +
          (unknown ? ` ${unknown} of them this site does not have; they are kept.` : "");
      } catch (error) {
        const why = error instanceof Unfit ? error.message : "the browser cannot read it.";
        outcome.textContent = `Nothing was imported from ${chosenFile.name}: ${why} Your progress is as it was.`;
      }
      outcome.classList.toggle("study-refused", outcome.textContent.startsWith("Nothing"));
      render();
    };

    const askToStartOver = () => {
      const { cards: started, log } = store.latest();
      dialogText.textContent =
        `This removes the schedule of ${count(started.size, "question")} and ${count(log.length, "grade")} ` +
        "from this browser. It cannot be undone, except by importing a file that you exported.";
      dialog.showModal();
    };

    const startOver = () => {
      store.save({ ...emptyProgress(), settings: store.latest().settings });
      globalThis.studyMode.steps = [];
      dialog.close();
      next();
      render();
      outcome.textContent = "Your progress was removed from this browser.";
    };

    /** What another tab or the clock has changed. */
    const refresh = () => {
      const { stem, seen } = view;
      const now = store.latest().cards.get(stem)?.last_review ?? "";
      if (!stem || now !== seen || !chosen().includes(stem)) next();
      const focused = actions.contains(document.activeElement) || card.contains(document.activeElement);
      render();
      if (view.stem === stem) return;
      if (focused) question.focus();
      tell("The schedule has changed.", view.stem && `${place(plan())}.`);
    };

    // ── how it looks

    const renderNotice = () => {
      const { aside, trouble } = store;
      const lines = [];
      if (aside) {
        lines.push(
          make("p", {}, "The progress that this browser held cannot be read: ", make("span", { class: "study-why" }, aside.why),
            aside.key ? ` It was put aside as “${aside.key}”, and you start afresh.` : " There is no room to put it aside, so it stays, and nothing new is kept."),
          button("Download what was there", () => download(aside.text, `${FORMAT}-unreadable.json`)),
        );
      }
      if (trouble) {
        const why = trouble === "full" ? "This browser's storage is full" : "This browser does not let the page keep anything";
        lines.push(
          make("p", {}, `${why}: your progress lasts as long as this tab. Export it before you leave.`),
          button("Export", () => exportFile()),
        );
      }
      const text = lines.map((line) => line.textContent).join(" ");
      if (notice.dataset.text !== text) {
        notice.dataset.text = text;
        notice.replaceChildren(...lines);
      }
      notice.hidden = !lines.length;
    };

    const renderEnd = (planNow) => {
      const now = Date.now();
      const all = { topic: "", level: "" };
      const { topic: t, level: l } = store.progress.settings;
      const parts = [];
      if (!chosen().length) {
        question.textContent = "No question fits";
        parts.push(make("p", {}, "No question has both this topic and this level."));
      } else {
        question.textContent = planNow.answers ? "Done for now" : "Nothing is due";
        const back = planNow.next && ` The next question comes back ${comesBack(planNow.next, now)}.`;
        const done = planNow.done && `${count(planNow.done, "question")} done today.`;
        parts.push(make("p", {}, ...[done, back].filter(Boolean)));
      }
      const row = make("div", { class: "study-row" });
      if (planNow.unseen) {
        const more = Math.min(MORE, planNow.unseen);
        row.append(button(`Go on with ${count(more, "new question")}`, goOn, { class: "study-button study-show" }));
      }
      if (t || l) row.append(button("Study all topics and levels", () => { change(all); question.focus(); }));
      end.replaceChildren(...parts, row);
    };

    const hint = (key) => make("kbd", { "aria-hidden": "true" }, key);

    const renderGrades = (withKeys) => {
      const would = outcomes(store.progress.cards.get(view.stem), Date.now());
      GRADES.forEach(({ rating, name }, i) => {
        const made = gradeButtons[i];
        made.replaceChildren(
          make("span", { class: "study-name" }, withKeys ? hint(rating) : "", name),
          make("span", { class: "study-unseen" }, ", comes back in "),
          make("span", { class: "study-interval" }, interval(would[rating])),
        );
      });
    };

    const renderKeys = (withKeys) => {
      const shortcuts = [[show, "Space Enter"], [undo, "U"], ...gradeButtons.map((made, i) => [made, `${i + 1}`])];
      for (const [made, key] of shortcuts) {
        if (withKeys) made.setAttribute("aria-keyshortcuts", key);
        else made.removeAttribute("aria-keyshortcuts");
      }
      show.replaceChildren("Show the answer", ...(withKeys ? [hint("Space")] : []));
    };

    const render = () => {
      const { progress } = store;
      const planNow = plan();
      const current = byStem.get(view.stem);
      const shown = Boolean(current) && view.shown;

      counts.textContent = `${planNow.due} due, ${planNow.fresh} new, ${planNow.done} done today`;
      topic.value = progress.settings.topic;
      level.value = progress.settings.level;
      keys.checked = progress.settings.keys;
      if (document.activeElement !== perDay) perDay.value = progress.settings.perDay;
      how.hidden = progress.log.length > 0;
      kept.textContent =
        `${count(progress.cards.size, "question")} started, ${count(progress.log.length, "grade")} given. ` +
        "They are kept in this browser only, and go when you clear its data: export them to keep them, or to take them to another browser.";
      undo.hidden = globalThis.studyMode.steps.length === 0;

      question.replaceChildren(...(current ? copied(current.question) : []));
      answerText.replaceChildren(...(shown ? copied(current.answer) : []));
      facts.textContent = current ? [place(planNow), current.topic, current.level].filter(Boolean).join(" · ") : "";
      card.classList.toggle("study-ended", !current);
      answer.hidden = !shown;
      end.hidden = Boolean(current);
      actions.hidden = !current;
      show.hidden = shown;
      grades.hidden = !shown;
      if (!current) renderEnd(planNow);
      if (shown) renderGrades(progress.settings.keys);
      renderKeys(progress.settings.keys);
      renderNotice();

      clearTimeout(timer);
      // At the end, look once a minute whether something has become due.
      if (!view.stem) timer = setTimeout(() => (root.isConnected ? refresh() : stop()), 60_000);
    };

    // ── keys

    /** What a key does here and now; nothing while somebody types. */
    const meant = ({ key, code, target, shiftKey }) => {
      const element = target instanceof Element ? target : document.body;
      const searching = document.querySelector("#__search")?.checked; // Material's
      if (!store.progress.settings.keys || dialog.open || searching) return null;
      if (element.closest("input, select, textarea, [contenteditable]")) return null;
      const control = element.closest("a, button, summary, label"); // Space and Enter are its own
      // On a French keyboard digits need Shift; there their place counts too.
      const digit = /^[1-4]$/.test(key) ? key : !shiftKey && /^Digit([1-4])$/.exec(code)?.[1];
      if (digit && view.stem && view.shown) return () => grade(Number(digit));
      if (shiftKey) return null;
      if ((key === " " || key === "Enter") && !control && view.stem && !view.shown) return reveal;
      if (key === "u" && globalThis.studyMode.steps.length) return takeBack;
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

    const stop = () => {
      over.abort();
      clearTimeout(timer);
    };

    // ── from here on it runs

    const { signal } = over;
    document.addEventListener("keydown", onKey, { signal });
    addEventListener("storage", ({ key }) => (key === store.key || key === null) && refresh(), { signal });
    document.addEventListener("visibilitychange", () => document.hidden || view.stem || refresh(), { signal });
    keys.addEventListener("change", () => change({ keys: keys.checked }, keys));
    perDay.addEventListener("change", () => {
      if (perDay.validity.valid && perDay.value) change({ perDay: perDay.valueAsNumber }, perDay);
      else perDay.value = store.progress.settings.perDay;
    });
    file.addEventListener("change", async () => {
      if (file.files.length) await importFile(file.files[0]);
      file.value = ""; // so that the same file can be chosen again
    });
    // Instant navigation replaces a child of the body.
    const watch = new MutationObserver(() => root.isConnected || stop());
    watch.observe(document.body, { childList: true });
    signal.addEventListener("abort", () => watch.disconnect());

    root.querySelector(".study-plain").hidden = true;
    list.hidden = true;
    root.classList.remove("study-waits");
    how.after(app);
    // A link to a card asks that card first, once.
    const linked = cards.find(({ stem }) =>
      [stem, encodeURIComponent(stem)].some((name) => location.hash === `#card-${name}`));
    if (linked) history.replaceState(history.state, "", location.pathname + location.search);
    if (linked) put(linked.stem);
    else next();
    render();
    return stop;
  };

  /** The address of the site, by where this file lies: other sites may share the host. */
  const sitePath = () => new URL("..", document.currentScript.src).pathname;

  const root = document.querySelector(".study");
  if (!root) return;
  globalThis.studyMode?.stop();
  const kept = globalThis.studyMode ?? { store: openStore(`${FORMAT}:${sitePath()}`), steps: [] };
  globalThis.studyMode = { ...pure, ...kept, stop: () => {} };
  kept.store.latest();
  const begin = () => {
    globalThis.studyMode.stop = start(root, kept.store);
  };
  // After instant navigation the style sheet of the page comes later than its script.
  const sheet = document.querySelector("article link[rel=stylesheet]");
  if (!sheet || sheet.sheet) begin();
  else for (const end of ["load", "error"]) sheet.addEventListener(end, begin, { once: true });
})();
