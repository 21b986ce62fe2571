// Filters the questions of the home page by level, topic and evidence, and keeps the choice in the
// address. The page is complete without it.
"use strict";

(() => {
  const form = document.querySelector("form.filters");
  const questions = [...document.querySelectorAll(".shelf li")];
  const topics = [...document.querySelectorAll(".shelf .topic")];
  const names = ["level", "topic", "checked"];

  const chosen = () => Object.fromEntries(names.map((name) => [name, new FormData(form).get(name) || ""]));

  const fits = (question, { level, topic, checked }) =>
    (!level || question.dataset.level === level) &&
    (!topic || question.closest(".topic").dataset.topic === topic) &&
    (!checked || "checked" in question.dataset);

  const show = () => {
    const choice = chosen();
    for (const question of questions) question.hidden = !fits(question, choice);
    for (const topic of topics) topic.hidden = !topic.querySelector("li:not([hidden])");
    const shown = questions.filter((question) => !question.hidden).length;
    const all = shown === questions.length;
    form.querySelector("output").value =
      `${all ? shown : `${shown} of ${questions.length}`} question${questions.length === 1 ? "" : "s"}` +
      (shown ? "" : ": choose a wider filter");
    return choice;
  };

  // What an address asks for and the form does not offer is passed by.
  const restore = () => {
    const asked = new URLSearchParams(location.search);
    for (const control of form.elements) {
      const value = asked.get(control.name) || "";
      if (control.type === "radio" || control.type === "checkbox") control.checked = control.value === value;
      else if (control.matches("select")) control.value = [...control.options].some((o) => o.value === value) ? value : "";
    }
    const levels = [...form.querySelectorAll("[name=level]")];
    if (levels.length && !levels.some((level) => level.checked)) levels[0].checked = true;
  };

  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("change", () => {
    const address = new URL(location);
    for (const [name, value] of Object.entries(show())) {
      if (value) address.searchParams.set(name, value);
      else address.searchParams.delete(name);
    }
    history.replaceState(history.state, "", address);
  });
  restore();
  show();
})();
