/* Small functions that every part of the page needs. */
"use strict";

const Page = {
  byId: (id) => document.getElementById(id),
  clamp: (value, low, high) => Math.min(high, Math.max(low, value)),
  number: (value) => value.toFixed(2).replace(/^-0\.00$/, "0.00").replace("-", "−"),
  element: (name, parent, properties = {}) => parent.appendChild(Object.assign(document.createElement(name), properties)),
  dark: matchMedia("(prefers-color-scheme: dark)"),

  /** Put the page's state in its address; a page in a notebook's frame has none. */
  remember(state) {
    if (location.protocol !== "about:") history.replaceState(null, "", state ? `#${state}` : location.pathname + location.search);
  },

  /** Delay a function until it has not been called for so many milliseconds. */
  delayed(act, milliseconds) {
    let timer = 0;
    return () => {
      clearTimeout(timer);
      timer = setTimeout(act, milliseconds);
    };
  },
};
