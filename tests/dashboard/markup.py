"""What a rendered page holds that a strict policy forbids, or that came out of a hostile name."""

from html.parser import HTMLParser

LOADING = {
    "script": "src",
    "img": "src",
    "link": "href",
    "iframe": "src",
    "form": "action",
    "use": "href",
}


class Inspector(HTMLParser):
    """Collects inline code and styles, files of other hosts, and elements by name."""

    def __init__(self):
        super().__init__(convert_charrefs=True)
        self.problems = []
        self.images = []

    def handle_starttag(self, tag, attributes):
        values = dict(attributes)
        if tag == "style" or "style" in values:
            self.problems.append(f"inline style in {self.get_starttag_text()}")
        if any(name.startswith(("on", "hx-on")) for name in values):
            self.problems.append(f"inline handler in {self.get_starttag_text()}")
        if tag == "script" and not values.get("src") and values.get("type") != "application/json":
            self.problems.append(f"inline script {self.get_starttag_text()}")
        address = values.get(LOADING.get(tag, ""), "") or ""
        if "//" in address:
            self.problems.append(f"another host in {self.get_starttag_text()}")
        if tag == "img":
            self.images.append(values.get("src"))


def inspect(text):
    inspector = Inspector()
    inspector.feed(text)
    inspector.close()
    return inspector
