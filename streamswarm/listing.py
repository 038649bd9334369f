"""The variables as people read them: the table of docs/settings.md, and .env.example."""

from streamswarm.env import VARIABLES
from streamswarm.parsing import Variable

TABLE_HEAD = "| variable | older name | default | meaning |"
EXAMPLE_HEAD = (
    "# Settings of StreamSwarm. Copy this file to .env and take the # off a line to change it;\n"
    "# what the environment says wins over the file. docs/settings.md says more.\n"
    "# scripts/write_settings.py wrote this file.\n"
)


def write_table() -> str:
    """The table in Markdown, a row a variable."""
    rows = [TABLE_HEAD, "|---|---|---|---|", *(write_row(variable) for variable in VARIABLES)]
    return "\n".join(rows) + "\n"


def write_row(variable: Variable) -> str:
    older = f"`{variable.seed_name}`" if variable.seed_name else ""
    default = f"`{variable.default}`" if variable.default else "empty"
    return f"| `{variable.name}` | {older} | {default} | {variable.meaning} |"


def write_example() -> str:
    """A file of NAME=default lines, all of them comments."""
    entries = [f"\n# {one.meaning}\n#{one.name}={one.default}\n" for one in VARIABLES]
    return EXAMPLE_HEAD + "".join(entries)
