"""Used login tickets, on raw connections. Times are seconds since 1970."""

from idp.db.raw import Raw, sweep


def count_use(raw: Raw, ticket_hash: str, expires_at: float) -> int:
    """Count one more use of a ticket and return how many there are now. Effect: parallel uses are each counted"""
    ((uses,),) = raw.all(
        "INSERT INTO used_login_ticket (ticket_hash, uses, expires_at) VALUES (?, 1, ?)"
        " ON CONFLICT (ticket_hash) DO UPDATE SET uses = used_login_ticket.uses + 1 RETURNING uses",
        (ticket_hash, expires_at),
    )
    count: int = uses
    return count


def drop_expired_uses(raw: Raw, now: float) -> int:
    """Forget tickets that have expired and return how many."""
    return sweep(raw, "used_login_ticket WHERE expires_at <= ?", (now,))
