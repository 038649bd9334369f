// @ts-check
/** A section of charts, asked for anew for a shorter time. */

/** @param {number} seconds */
function writeSecond(seconds) {
  return new Date(seconds * 1000).toISOString().replace(/\.\d+/, "");
}

/** What asks the server for the section of a shorter time, and puts that into the address.
 * @param {number} leastSeconds no shorter time is asked for
 * @returns {(start: number, end: number) => void} takes Unix seconds */
export function makeZoom(leastSeconds) {
  return (start, end) => {
    const middle = (start + end) / 2;
    const half = Math.max(end - start, leastSeconds) / 2;
    const query = new URLSearchParams(window.location.search);
    query.delete("range");
    query.set("start", writeSecond(Math.floor(middle - half)));
    query.set("end", writeSecond(Math.ceil(middle + half)));
    const url = `${window.location.pathname}?${query}`;
    const target = { target: "#history", select: "#history", swap: "outerHTML show:none", push: url };
    /** @type {any} */ (window).htmx.ajax("GET", url, target);
  };
}
