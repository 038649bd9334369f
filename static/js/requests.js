// @ts-check
// Names requests, so that the server's log can be searched for what a click led to.

const BYTES = 16;

/** @returns {string} an id for one request, also where plain http has no randomUUID */
export function makeRequestId() {
  const bytes = crypto.getRandomValues(new Uint8Array(BYTES));
  return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** @returns {Record<string, string>} the headers of a request that wants JSON */
export function describeJsonRequest() {
  return { Accept: "application/json", "X-Request-ID": makeRequestId() };
}
