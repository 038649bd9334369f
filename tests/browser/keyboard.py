"""What people without a mouse meet: fields without a name, and a focus that is not to be seen."""

MOST_STOPS = 200
UNLABELLED = """() => [...document.querySelectorAll("main input, main select, main textarea")]
  .filter((field) => field.type !== "hidden")
  .filter((field) => !field.labels?.length && !field.ariaLabel)
  .map((field) => field.outerHTML.slice(0, 120))"""
UNREACHED = """() => [...document.querySelectorAll("main a[href], main button, main summary")]
  .filter((one) => one.checkVisibility() && one.tabIndex < 0)
  .map((one) => one.outerHTML.slice(0, 120))"""
# A mark is an outline or a shadow that the same thing does not have without the focus.
STOP = """() => {
  const one = document.activeElement;
  if (!one || one === document.body) return null;
  const read = () => {
    const { outlineStyle, outlineWidth, boxShadow, borderColor } = getComputedStyle(one);
    return [outlineStyle, outlineWidth, boxShadow, borderColor].join();
  };
  const marked = read();
  const { outlineStyle } = getComputedStyle(one);
  one.blur();
  const plain = read();
  one.focus({ focusVisible: true });
  const isMarked = marked !== plain || outlineStyle !== "none";
  return [isMarked, one.outerHTML.slice(0, 120)];
}"""


def find_unlabelled(page):
    """The fields that no words belong to, and what can be clicked but not reached by a key."""
    return [*page.evaluate(UNLABELLED), *page.evaluate(UNREACHED)]


def find_unmarked(page):
    """The stops of the tab key in the page's content that look no different with the focus."""
    page.locator("main").focus()
    unmarked = []
    seen = 0
    while seen < MOST_STOPS:
        page.keyboard.press("Tab")
        stop = page.evaluate(STOP)
        if stop is None:
            break
        seen += 1
        if not stop[0]:
            unmarked.append(stop[1])
    assert seen
    return unmarked
