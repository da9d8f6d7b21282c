"""The two pages, as HTML."""

from collections.abc import Iterable
from html import escape
from urllib.parse import quote

from profile_directory import Profile

_PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title>
<style>body {{ font-family: sans-serif; max-width: 40em; margin: 2em auto }}</style>
<h1>{title}</h1>{body}"""


def profile_page(person: str, profile: Profile | None, source: str, cause: str) -> str:
    """A profile and the form that changes it."""
    name, about = (profile.name, profile.about) if profile is not None else ("", "")
    body = f"""<p id="name">{escape(name)}</p><p id="about">{escape(about)}</p>
<form method="post"><label>Name <input name="name" value="{escape(name)}"></label>
<label>About <input name="about" value="{escape(about)}"></label><button>Save</button></form>
<p><small>read from the <span id="source">{source}</span> (<span id="cause">{cause}</span>)</small></p>
<p><a href="/directory/{quote(person)}">The directory</a></p>"""
    return _PAGE.format(title=escape(person), body=body)


def directory_page(person: str, profiles: Iterable[Profile], refusal: str) -> str:
    """Everybody, with the viewer's own entry as the viewer left it."""
    entries = "".join(
        f"<li id='{escape(p.person)}'><b>{escape(p.name)}</b> {escape(p.about)}</li>" for p in profiles
    )
    notice = f'<p id="refusal">Your entry was not taken: {escape(refusal)}</p>' if refusal else ""
    body = f'{notice}<ul>{entries}</ul><p><a href="/profile/{quote(person)}">My profile</a></p>'
    return _PAGE.format(title="Directory", body=body)
