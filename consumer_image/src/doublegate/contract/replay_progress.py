"""What a replay says of itself: its Job on `/status` while it runs, and as termination message at its end."""

from pydantic import Field

from doublegate.contract.consumer_status import Written

__all__ = ["ReplayProgress"]


class ReplayProgress(Written):
    """How far a replay is; the counts go on where a former run of the same id left them."""

    replay_id: str = Field(description="Marks what it sends.")
    dry_run: bool = Field(False, description="Nothing is sent; the counts say what would be.")
    matched: int = Field(0, description="Letters that the selector let through.")
    replayed: int = Field(0, description="Sent and acknowledged.")
    skipped: dict[str, int] = Field(default_factory=dict, description="Matched and not sent, by why.")
    position: dict[str, int] = Field(default_factory=dict, description="Next letter by partition.")
    complete: bool = Field(True, description="Every letter was seen; false when maxEvents came first.")
    sent: bool = Field(False, description="All is sent; the group works it off.")
    done: int | None = Field(None, description="Performed, or proven to be performed already.")
    failed_again: int | None = Field(None, description="Dead letters again.")
    error: str | None = Field(None, max_length=1024, description="Why it ended before its time.")
