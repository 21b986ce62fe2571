// Keyboard access to what Material makes of labels. theme.css hides what is out of sight, so that
// the keyboard passes it by. Without this script a pointer still works everything.
"use strict";
{
  const drawer = document.getElementById("__drawer");
  const search = document.getElementById("__search");
  const names = { __drawer: "Navigation", __search: "Search" };
  const narrow = matchMedia("(max-width: 59.984375em)"); // as in Material's search
  let before; // what had the focus before the search

  const all = (selector) => document.querySelectorAll(selector);
  const seen = (element) => element.checkVisibility({ visibilityProperty: true });
  const within = (element, selector) => element?.closest?.(selector);
  const control = (button) => document.getElementById(button.getAttribute("for"));

  // Where the focus goes if a press has hidden the button: to the one that undoes it.
  const follow = (button) => {
    const opened = control(button) === drawer && drawer.checked;
    if (seen(button) && button.tabIndex === 0 && !opened) return;
    const place = opened
      ? ".md-sidebar--primary :is(a, button)"
      : within(button, ".md-header__option")
        ? ".md-header__option button"
        : `button[for="${button.getAttribute("for")}"]`;
    for (const other of all(place))
      if (other !== button && other.tabIndex === 0 && seen(other))
        return other.focus({ preventScroll: true }); // it is still sliding in
  };

  const toButton = (label) => {
    const button = document.createElement("button");
    for (const { name, value } of label.attributes) button.setAttribute(name, value);
    button.type = "button";
    button.append(...label.childNodes);
    button.addEventListener("click", () => {
      control(button).click();
      label.dispatchEvent(new MouseEvent("click")); // Material listens there
      setTimeout(() => follow(button));
    });
    if (!button.textContent.trim())
      button.ariaLabel =
        button.title ||
        (label.matches(".md-search__icon") && "Close the search") ||
        names[button.getAttribute("for")] ||
        label.previousElementSibling?.textContent.trim();
    label.replaceWith(button);
    return button;
  };

  const dress = () => {
    // Labels that do something at this width are buttons.
    for (let label of all(":is(label, button)[for^=__]:not([class$=overlay])")) {
      const { cursor, pointerEvents } = getComputedStyle(label);
      const works =
        pointerEvents !== "none" &&
        (cursor === "pointer" || label.matches(".md-nav__link")) &&
        !label.querySelector("a") &&
        (!label.matches(".md-search__icon") || (narrow.matches && search.checked));
      if (works && label.tagName === "LABEL") label = toButton(label);
      if (label.tagName !== "BUTTON") continue;
      label.tabIndex = works ? 0 : -1;
      const { type, checked } = control(label);
      if (type === "checkbox") label.ariaExpanded = checked;
    }
    for (const radio of all(".md-option")) radio.tabIndex = -1;
    for (const input of all(".md-search__input"))
      input.tabIndex = narrow.matches && !search.checked ? -1 : 0;
    for (const nav of all(".md-code__nav")) nav.setAttribute("role", "none");
    // What scrolls sideways can be scrolled by keyboard.
    for (const box of all(".math, .output-table, .evidence-box, .md-typeset__scrollwrap"))
      if (box.scrollWidth > box.clientWidth) box.tabIndex = 0;
      else box.removeAttribute("tabindex");
  };

  addEventListener(
    "keydown",
    (event) => {
      const { key, target } = event;
      if (search.checked && within(target, ".md-search")) {
        // Material leaves the search with the first Tab, and goes to the box with any other key.
        if (key === "Tab" || key === "Shift" || (key === " " && target.tagName !== "INPUT"))
          event.stopPropagation();
        for (const link of all(".md-search-result__link")) link.tabIndex = 0;
        if (key === "Escape" && before?.isConnected) setTimeout(() => before.focus());
      } else if (key === "Enter" && within(target, ".md-header__option")) {
        event.stopPropagation(); // Material would switch a second time
      } else if (key === "Escape" && drawer.checked) {
        drawer.click();
        document.querySelector(".md-header__button[for=__drawer]").focus();
      }
    },
    true,
  );

  // What is open closes when the focus goes elsewhere, and the search opens with its box: Material
  // does not always notice that one.
  addEventListener("focusin", ({ target, relatedTarget }) => {
    if (within(target, ".md-search")) {
      if (!within(relatedTarget, ".md-search")) before = relatedTarget;
      if (target.matches(".md-search__input") && !search.checked) search.click();
    } else if (search.checked) search.click();
    if (drawer.checked && !within(target, ".md-sidebar--primary")) drawer.click();
  });

  addEventListener("change", ({ target }) => {
    if (target === search && !search.checked)
      for (const input of all(".md-search__input")) input.blur();
    dress();
  });
  addEventListener("resize", dress);
  document.fonts.ready.then(dress); // formulas become wider or narrower
  document$.subscribe(dress);
}
