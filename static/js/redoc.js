// @ts-check
// ReDoc on our schema, with the system's fonts.

const host = /** @type {HTMLElement} */ (document.getElementById("documentation"));
const fontFamily = "system-ui, sans-serif";
// @ts-ignore - the bundle defines a global
window.Redoc.init(
  host.dataset.schema,
  { theme: { typography: { fontFamily, headings: { fontFamily } } }, nativeScrollbars: true },
  host,
);
