"""What callers send. Unknown keys, NaN and values of another type are refused by name."""

from datetime import datetime, time
from typing import Annotated, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints

from orchestrator.domain.budget import EVERY_DAY, Budget, GridPolicy
from orchestrator.domain.signals import Alarm
from orchestrator.services.operator_events import EventRequest

Id = Annotated[str, StringConstraints(pattern=r"\A[a-z0-9-]{1,63}\z")]
ClockTime = Annotated[str, StringConstraints(pattern=r"\A([01]\d|2[0-3]):[0-5]\d\z")]
Number = Annotated[float, Field(strict=True, allow_inf_nan=False)]
Positive = Annotated[float, Field(strict=True, gt=0, allow_inf_nan=False)]
NotNegative = Annotated[float, Field(strict=True, ge=0, allow_inf_nan=False)]
Weekday = Annotated[int, Field(strict=True, ge=0, le=6)]


class Body(BaseModel):
    """A request's JSON object."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class SignInBody(Body):
    """A name and a password."""

    user: Annotated[str, StringConstraints(min_length=1, max_length=128)]
    password: Annotated[str, StringConstraints(min_length=1, max_length=1024)]


class EventBody(Body):
    """An event by hand; value is power in `unit`, or a fraction for a reduction."""

    kind: Literal["limit", "reduction", "emergency"]
    duration_s: Positive
    value: Number | None = None
    unit: str = "W"
    limit_id: Id | None = None
    starts_at: AwareDatetime | None = None

    def request(self) -> EventRequest:
        """The same as the service takes it."""
        return EventRequest(
            kind=self.kind,
            duration_s=self.duration_s,
            value=self.value,
            unit=self.unit,
            limit_id=self.limit_id,
            starts_at=self.starts_at,
        )


class AlarmBody(Body):
    """Something in the plant broke; the settings say what is shed, and where by default."""

    alarm: Alarm
    limit_id: Id | None = None


class BudgetBody(Body):
    """A ceiling by time of day; an end at or before the start lies on the next day.

    best_effort: take it even where it is below what can be guaranteed.
    """

    limit_id: Id
    limit_w: Positive
    start: ClockTime = "00:00"
    end: ClockTime = "00:00"
    days: tuple[Weekday, ...] = EVERY_DAY
    timezone: Annotated[str, StringConstraints(max_length=64)] = "UTC"
    best_effort: Annotated[bool, Field(strict=True)] = False

    def budget(self, budget_id: str) -> Budget:
        """The checked budget. Raises InvalidBudget."""
        return Budget(
            id=budget_id,
            limit_id=self.limit_id,
            limit_w=self.limit_w,
            start=time.fromisoformat(self.start),
            end=time.fromisoformat(self.end),
            days=tuple(sorted(set(self.days))),
            timezone=self.timezone,
        )


class PolicyBody(Body):
    """Above a threshold the facility's limit falls; both of a pair or neither."""

    carbon_above_g_per_kwh: NotNegative | None = None
    carbon_limit_w: Positive | None = None
    price_above_per_mwh: Number | None = None
    price_limit_w: Positive | None = None

    def policy(self) -> GridPolicy:
        """The checked policy. Raises InvalidBudget."""
        return GridPolicy(**self.model_dump())


class ArmingBody(Body):
    """Whether the nodes below a limit are sent setpoints."""

    armed: Annotated[bool, Field(strict=True)]


class LockoutBody(Body):
    """Why a node is taken out of Ballast's hands."""

    reason: Annotated[str, StringConstraints(min_length=1, max_length=500, strip_whitespace=True)]


class TokenBody(Body):
    """A token for a program. role: viewer, operator, admin, or feed:<source>."""

    name: Id
    role: Annotated[
        str, StringConstraints(pattern=r"\A(viewer|operator|admin|feed:[a-z0-9-]{1,63})\z")
    ]


class BudgetView(BaseModel):
    """A budget as it is shown. guaranteed: it holds even while every node is silent."""

    id: str
    limit_id: str
    limit_w: float
    start: str
    end: str
    days: tuple[int, ...]
    timezone: str
    guaranteed: bool
    note: str


class SessionView(BaseModel):
    """A new session; the token is shown once."""

    token: str
    role: str
    expires_at: datetime
