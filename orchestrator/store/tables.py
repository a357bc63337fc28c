"""The tables of settings and people. Documents are canonical JSON, see canonical.py."""

from sqlalchemy import (
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Table,
    Time,
)
from sqlalchemy import text as sql

from orchestrator.store.columns import count, flag, metadata, moment, number, serial, text

facility = Table(
    "facility",
    metadata,
    count("id", "Always 1.", primary_key=True, autoincrement=False),
    text("site", "The site's id on the wire."),
    flag("simulated", "Whether the plant behind every record here is simulated."),
    moment("created_at", "First start with this database."),
    CheckConstraint("id = 1", name="one_row"),
    info={"about": "The one facility that this database belongs to."},
)

documents = Table(
    "documents",
    metadata,
    text("sha256", "Of the body.", primary_key=True),
    text("body", "Canonical JSON of a topology or a frontier."),
    info={"about": "Large inputs, stored once and named by their hash."},
)

topologies = Table(
    "topologies",
    metadata,
    serial("version", "Counts up; the highest is in force.", primary_key=True),
    text("sha256", "The topology in documents.", ForeignKey("documents.sha256")),
    text("root_limit_id", "The limit without a parent: the whole facility."),
    moment("created_at", "When it came into force."),
    info={"about": "Versions of the electrical tree."},
)

budgets = Table(
    "budgets",
    metadata,
    text("id", "Name of the budget.", primary_key=True),
    text("limit_id", "The limit it lowers."),
    number("limit_w", "Watts allowed while it holds."),
    Column("start_time", Time(), nullable=False, doc="Start, time of day in its time zone."),
    Column("end_time", Time(), nullable=False, doc="End; at or before the start: the next day."),
    text("days", "Weekdays as JSON, Monday is 0."),
    text("timezone", "IANA name of the time zone."),
    moment("created_at", "When it was set."),
    info={"about": "Operators' ceilings by time of day."},
)

policies = Table(
    "policies",
    metadata,
    serial("version", "Counts up; the highest is in force.", primary_key=True),
    number(
        "carbon_above_g_per_kwh", "Carbon intensity above which the limit falls.", nullable=True
    ),
    number("carbon_limit_w", "The facility's limit then, watts.", nullable=True),
    number("price_above_per_mwh", "Price per MWh above which the limit falls.", nullable=True),
    number("price_limit_w", "The facility's limit then, watts.", nullable=True),
    moment("created_at", "When it was set."),
    info={"about": "Versions of what the operator does about carbon and prices."},
)

arming = Table(
    "arming",
    metadata,
    text("limit_id", "The limit, a rack or above, whose nodes are armed.", primary_key=True),
    text("armed_by", "Who armed it; see also audit.", nullable=True),
    moment("armed_at", "When."),
    info={"about": "What may be sent setpoints; everything else is in shadow mode."},
)

lockouts = Table(
    "lockouts",
    metadata,
    text("node", "The node that nothing may be sent to.", primary_key=True),
    text("locked_by", "Who locked it; see also audit.", nullable=True),
    text("reason", "Why."),
    moment("locked_at", "When."),
    info={"about": "Nodes taken out of Ballast's hands."},
)

profile_samples = Table(
    "profile_samples",
    metadata,
    text("sha256", "Of the CSV text.", primary_key=True),
    text("deployment", "What was profiled."),
    text("csv", "The samples as they were taken in."),
    flag("simulated", "Whether they were taken on a simulated plant."),
    moment("created_at", "When they were stored."),
    info={"about": "Profile measurements, the models' only source."},
)

models = Table(
    "models",
    metadata,
    text("version", "Name of the fit.", primary_key=True),
    text("deployment", "What it describes."),
    text("samples_sha256", "The samples fitted.", ForeignKey("profile_samples.sha256")),
    text("recipe", "How it was fitted, seed included, as JSON."),
    text("frontier", "The frontier as JSON: what decisions use."),
    text("candidates", "All operating points as JSON: what agents choose from."),
    text("metrics", "How good the fit is, as JSON."),
    flag("active", "Whether decisions use it; at most one for a deployment."),
    flag("simulated", "Whether its samples were taken on a simulated plant."),
    moment("created_at", "When it was fitted."),
    text("origin", "profile, or telemetry for a refit."),
    text("refused", "Why a refit was not made active, with its errors.", nullable=True),
    Index(
        "ix_models_one_active",
        "deployment",
        unique=True,
        sqlite_where=sql("active"),
        postgresql_where=sql("active"),
    ),
    info={"about": "Power-performance models by deployment."},
)

users = Table(
    "users",
    metadata,
    text("name", "Name to sign in with.", primary_key=True),
    text("password_hash", "scrypt, with its parameters and salt."),
    text("role", "viewer, operator or admin."),
    moment("created_at", "When the account was made."),
    info={"about": "People who may sign in."},
)

api_tokens = Table(
    "api_tokens",
    metadata,
    text("name", "What the token is for.", primary_key=True),
    text("sha256", "Of the token; the token itself is not stored.", unique=True),
    text("role", "viewer, operator, admin, or feed:<source>."),
    moment("created_at", "When it was made."),
    moment("revoked_at", "When it stopped being valid.", nullable=True),
    info={"about": "Tokens of programs that use the HTTP API."},
)

audit = Table(
    "audit",
    metadata,
    serial("id", "Counts up.", primary_key=True),
    moment("at", "When.", index=True),
    text("who", "User or token name."),
    text("action", "What was done."),
    text("subject", "What it was done to."),
    text("detail", "More, in words."),
    info={"about": "What people and programs changed."},
)
