"""The one exception tree of Ballast.

Adapters translate foreign errors into these at their border; the HTTP API maps them to problem
documents and the command line to one line.

    BallastError
    ├── InvalidInput            the caller must change what was sent
    │   ├── InvalidSignal
    │   ├── InvalidTopology
    │   ├── InvalidBudget
    │   ├── InvalidProfile
    │   ├── InvalidMessage
    │   └── TooLarge
    ├── NotFound
    ├── Conflict                the state does not allow it
    │   ├── DuplicateSignal
    │   └── UnsafeChange
    ├── AccessDenied
    │   ├── NotAuthenticated
    │   └── TooManyAttempts
    ├── ConfigurationError      the operator must change the configuration
    │   ├── PortInUse
    │   └── NewerDatabase
    └── Unavailable             something outside is away; trying again may help
        ├── BrokerUnavailable
        ├── DatabaseUnavailable
        ├── GpuError
        ├── EngineError
        └── MeterError
"""


class BallastError(Exception):
    """Any error that Ballast raises on purpose."""


class InvalidInput(BallastError):
    """What was sent cannot be used; nothing was changed."""


class InvalidSignal(InvalidInput):
    """A grid signal is malformed, expired, or names an unknown unit or limit."""


class InvalidTopology(InvalidInput):
    """The tree of limits and nodes does not make sense."""


class InvalidBudget(InvalidInput):
    """An operator's budget is negative, empty, or names an unknown limit."""


class InvalidProfile(InvalidInput):
    """Profile samples have a missing column, a NaN, or too few points."""


class InvalidMessage(InvalidInput):
    """A message on the wire could not be decoded."""


class TooLarge(InvalidInput):
    """A body or message is longer than what is accepted."""


class NotFound(BallastError):
    """Nothing with that id exists."""


class Conflict(BallastError):
    """The present state does not allow the change."""


class DuplicateSignal(Conflict):
    """A signal with this source and id was already taken, with other content."""


class UnsafeChange(Conflict):
    """The change would break a promise, such as an affordable fail-safe."""


class AccessDenied(BallastError):
    """The credentials do not allow the action."""


class NotAuthenticated(AccessDenied):
    """Nobody is signed in: the token or the password is missing, wrong or expired."""


class TooManyAttempts(AccessDenied):
    """Too many wrong passwords; waiting helps."""


class ConfigurationError(BallastError):
    """A setting is missing, unknown, or contradicts another."""


class PortInUse(ConfigurationError):
    """Another process listens on the port that was asked for."""


class Unavailable(BallastError):
    """Something outside Ballast did not answer in time."""


class BrokerUnavailable(Unavailable):
    """The MQTT broker cannot be reached."""


class DatabaseUnavailable(Unavailable):
    """The database cannot be reached or refused the transaction."""


class GpuError(Unavailable):
    """A GPU call failed or did not return in time."""


class EngineError(Unavailable):
    """The serving engine did not answer."""


class MeterError(Unavailable):
    """The power meter did not answer."""


class NewerDatabase(ConfigurationError):
    """The database was migrated by a newer Ballast."""
