// Keyboard access to what Material makes of labels. theme.css hides what is out of sight, so that
// the keyboard passes it by. Without this script a pointer still works everything.
"use strict";
{
  const drawer = document.getElementById("__drawer");
  const search = document.getElementById("__search");
  const names = { __drawer: "Navigation", __search: "Search" };
  const narrow = matchMedia("(max-width: 59.984375em)"); // as in Material's search
  let before; // what had the focus before the search

  const seen = (element) => element.checkVisibility({ visibilityProperty: true });
  const within = (element, selector) => element?.closest?.(selector);

  // Labels that do something are buttons; what scrolls sideways can be scrolled by keyboard.
  const dress = () => {
    for (const label of document.querySelectorAll("label[for^=__]:not([class$=overlay])")) {
      const style = getComputedStyle(label);
      const inSearch = label.matches(".md-search__icon");
      if (
        style.cursor !== "pointer" ||
        style.pointerEvents === "none" ||
        label.querySelector("a") ||
        (inSearch && !(narrow.matches && search.checked))
      ) {
        label.removeAttribute("role");
        label.removeAttribute("tabindex");
        continue;
      }
      label.setAttribute("role", "button");
      label.tabIndex = 0;
      if (label.control?.type === "checkbox") label.ariaExpanded = label.control.checked;
      if (!label.textContent.trim())
        label.ariaLabel =
          label.title || names[label.htmlFor] || label.previousElementSibling?.textContent.trim();
    }
    for (const radio of document.querySelectorAll(".md-option")) radio.tabIndex = -1;
    for (const input of document.querySelectorAll(".md-search__input"))
      input.tabIndex = narrow.matches && !search.checked ? -1 : 0;
    for (const nav of document.querySelectorAll(".md-code__nav")) nav.setAttribute("role", "none");
    for (const box of document.querySelectorAll(
      ".math.display, .output-table, .evidence-box, .md-typeset__scrollwrap, table:not([class])",
    ))
      if (box.scrollWidth > box.clientWidth) box.tabIndex = 0;
      else box.removeAttribute("tabindex");
  };

  // The label that stands in for one that its own press has hidden; the first link of the drawer.
  const next = (label) => {
    const places = [`label[for="${label.htmlFor}"]`, `[data-md-component=palette] label`];
    if (label.control === drawer && drawer.checked)
      places.unshift(".md-sidebar--primary :is(a, [role=button])");
    else if (seen(label)) return;
    for (const place of places)
      for (const other of document.querySelectorAll(place))
        if (other !== label && other.tabIndex === 0 && seen(other)) return other;
  };

  addEventListener(
    "keydown",
    (event) => {
      const { key, target } = event;
      if ((key === "Enter" || key === " ") && target.matches?.("label[role=button]")) {
        event.preventDefault();
        event.stopPropagation(); // Material would press it again
        target.click();
        setTimeout(() => next(target)?.focus());
      } else if (search?.checked && within(target, ".md-search")) {
        // Material leaves the search with the first Tab, and goes to the box with any other key.
        if (key === "Tab" || key === "Shift" || (key === " " && target.tagName !== "INPUT"))
          event.stopPropagation();
        if (key === "Escape" && before?.isConnected) setTimeout(() => before.focus());
      } else if (key === "Escape" && drawer.checked) {
        drawer.click();
        document.querySelector(".md-header [for=__drawer]").focus();
      }
    },
    true,
  );

  // What is open closes when the focus goes elsewhere.
  addEventListener("focusin", ({ target, relatedTarget }) => {
    if (within(target, ".md-search")) {
      if (!within(relatedTarget, ".md-search")) before = relatedTarget;
    } else if (search?.checked) search.click();
    if (drawer.checked && !within(target, ".md-sidebar--primary")) drawer.click();
  });

  addEventListener("change", dress);
  addEventListener("resize", dress);
  document.fonts.ready.then(dress); // formulas become wider or narrower
  document$.subscribe(dress);
}
