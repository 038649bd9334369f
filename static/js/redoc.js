// @ts-check
// ReDoc on our schema, with the system's fonts.

const host = /** @type {HTMLElement} */ (document.getElementById("documentation"));

// The bundle shows its maker's logo from the maker's host; we load nothing from elsewhere.
const isOwn = (/** @type {string} */ url) =>
  new URL(url, window.location.href).host === window.location.host;
const setAttribute = HTMLImageElement.prototype.setAttribute;
HTMLImageElement.prototype.setAttribute = function setOwn(
  /** @type {string} */ name,
  /** @type {string} */ value,
) {
  if (name !== "src" || isOwn(value)) setAttribute.call(this, name, value);
};
Object.defineProperty(HTMLImageElement.prototype, "src", {
  set(value) {
    this.setAttribute("src", value);
  },
});

const fontFamily = "system-ui, sans-serif";
// @ts-ignore - the bundle defines a global
window.Redoc.init(
  host.dataset.schema,
  { theme: { typography: { fontFamily, headings: { fontFamily } } }, nativeScrollbars: true },
  host,
);

export {};
