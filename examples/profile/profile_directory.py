"""The consumer's handler: every profile that was saved goes into the directory, the read model.

The directory is public and has a rule of its own, so it may refuse what the profile's owner may keep.
"""

from pydantic import BaseModel

from doublegate import Context, Event, Reject

TABLE = (
    "CREATE TABLE IF NOT EXISTS directory (person text PRIMARY KEY, name text NOT NULL, about text NOT NULL)"
)
_WRITE = """
INSERT INTO directory (person, name, about) VALUES (%(person)s, %(name)s, %(about)s)
ON CONFLICT (person) DO UPDATE SET name = excluded.name, about = excluded.about
"""


class Profile(BaseModel):
    person: str
    name: str
    about: str


def publish(event: Event[bytes], context: Context) -> None:
    profile = Profile.model_validate_json(event.value)
    if "://" in profile.about:
        raise Reject("the directory takes no links")
    context.connection.execute(_WRITE, profile.model_dump())
