"""The composition root of `ballast serve`: the one place that knows every concrete part."""

import os
import socket
import threading
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import partial
from uuid import uuid4

import structlog
from apscheduler.schedulers.background import BackgroundScheduler

from dashboards.web.app import mount_dashboard
from integrations.grid.dsx_flex import TOPIC_PATTERN, DsxFlexConfig, decode_load_targets
from integrations.messaging.access import orchestrator_principal
from integrations.messaging.embedded import EmbeddedBroker
from integrations.messaging.mqtt import MqttTransport
from integrations.messaging.transport import MqttAddress
from integrations.twin.client import TwinConnection, TwinMeter
from integrations.wire import codec, topics
from orchestrator.api.app import create_api
from orchestrator.api.auth import Doorman
from orchestrator.api.context import ApiContext
from orchestrator.app.dsx_keys import flex_config, own_key
from orchestrator.app.flex import FlexStatus
from orchestrator.app.heartbeats import build_heartbeats
from orchestrator.app.principals import credentials
from orchestrator.app.repositories import accept_topology, ensure_admin, open_repositories
from orchestrator.app.restore import restored_state, standing_inputs
from orchestrator.domain.errors import BallastError
from orchestrator.domain.moment import Moment
from orchestrator.domain.signals import SignalBatch
from orchestrator.messages import Input
from orchestrator.models.fit import DEFAULT_RECIPE, Recipe
from orchestrator.ports import Meter
from orchestrator.runtime.clock import LiveClock
from orchestrator.runtime.control_thread import ControlThread
from orchestrator.runtime.credentials import ensure_secret, read_secret
from orchestrator.runtime.frontiers import FrontierPublisher
from orchestrator.runtime.heartbeat import FRESH_S
from orchestrator.runtime.inbox import NodeInbox
from orchestrator.runtime.meters import MeterPoller
from orchestrator.runtime.outbox import Outbox
from orchestrator.runtime.recorder import Recorder
from orchestrator.runtime.shed_tables import ShedTablePublisher
from orchestrator.runtime.web import Server, claim, end_on_signals
from orchestrator.services.alarms import Alarms
from orchestrator.services.calibration import Calibration
from orchestrator.services.event_reports import EventReports
from orchestrator.services.history import History, Ring
from orchestrator.services.ingest import Ingest
from orchestrator.services.operations import Operations
from orchestrator.services.operator_events import OperatorEvents
from orchestrator.services.refits import Refits
from orchestrator.services.replay import Replay
from orchestrator.settings import Settings
from orchestrator.snapshot import Snapshot
from orchestrator.store.canonical import encode
from orchestrator.store.ledger import SqlLedger
from orchestrator.store.node_history import NodeHistory
from orchestrator.store.records import SqlRecords
from orchestrator.store.retention import purge
from orchestrator.store.telemetry_sink import TelemetrySink

log = structlog.get_logger(__name__)

RETENTION_EVERY_H = 6
DRIFT_EVERY_S = 60
KNOWN = 5_000
LEADER_SAYS_EVERY_S = 10


class Service:
    """Everything that `ballast serve` runs. start() in order, stop() in the opposite one.

    stopping: set when the service shall end.
    """

    def __init__(
        self,
        settings: Settings,
        stopping: threading.Event,
        clock: Callable[[], Moment] | None = None,
    ) -> None:
        self._settings = settings
        self._clock = clock or LiveClock()
        self._stopping = stopping
        self._topology = settings.build_topology()
        self._repositories = open_repositories(settings, self._utc)
        ensure_admin(self._repositories.accounts, settings, self._utc())
        unsafe = accept_topology(self._repositories.topologies, self._topology, self._utc())
        self._broker = self._embedded_broker()
        self._transport = self._mqtt()
        self._sink = TelemetrySink(self._repositories.engine)
        self._ring = Ring()
        self._control = self._lead(unsafe)
        self._ingest = self._build_ingest()
        self._frontiers = FrontierPublisher(settings.site, self._topology, self._transport)
        self._shed_tables = ShedTablePublisher(settings.site, self._topology, self._transport)
        recipe = Recipe(forms=settings.models.forms or DEFAULT_RECIPE.forms)
        self._calibration = Calibration(
            models=self._repositories.models,
            control=self._control,
            clock=self._utc,
            simulated=settings.simulated,
            on_change=self._frontiers.publish,
            recipe=recipe,
        )
        self._refits = Refits(
            topology=self._topology,
            models=self._repositories.models,
            history=NodeHistory(self._repositories.engine),
            calibration=self._calibration,
            control=self._control,
            clock=self._utc,
            recipe=recipe,
        )
        self._inbox = NodeInbox(settings.site, self._transport, self._control.submit, self._sink)
        self._meters = MeterPoller(self._build_meters(), self._control.submit, self._sink)
        self._flex = self._build_flex()
        self._heartbeats = build_heartbeats(settings.heartbeat, self._leads)
        self._jobs = self._build_jobs()

    def start(self) -> None:
        """Start every part; control before anything that feeds it."""
        self._sink.start()
        self._recorder.start()
        for item in standing_inputs(self._repositories, self._clock()):
            self._control.submit(item)
        self._control.start()
        self._ingest.start()
        self._inbox.subscribe()
        site = self._settings.site
        self._transport.subscribe(
            topics.signals_filter(site), self._ingest.on_signal_message, qos=1
        )
        self._transport.subscribe(TOPIC_PATTERN, self._ingest.on_dsx_message, qos=1)
        self._transport.on_connect(self._greet)
        self._transport.start()
        self._meters.start()
        self._flex.start()
        for heartbeat in self._heartbeats:
            heartbeat.start()
        self._jobs.start()
        threading.Thread(target=self._load_profiles, name="profiles", daemon=True).start()

    def stop(self) -> None:
        """Stop every part within a bound; nothing is sent that could raise a cap."""
        self._stopping.set()
        for heartbeat in self._heartbeats:
            heartbeat.stop()
        self._jobs.shutdown(wait=False)
        self._flex.stop()
        self._meters.stop()
        self._ingest.stop()
        self._control.stop()
        self._recorder.stop()
        self._transport.stop()
        self._sink.stop(2.0)
        if self._broker is not None:
            self._broker.stop()

    def serve_http(self, listener: socket.socket) -> None:
        """Serve API and dashboard on a socket that listens, until SIGTERM or SIGINT."""
        url = f"http://{self._settings.http.host}:{listener.getsockname()[1]}"
        app = create_api(self._context())
        mount_dashboard(
            app,
            api_url=url,
            storage_secret=ensure_secret(self._settings.secrets_dir, "dashboard"),
        )
        log.info("serving", url=url, site=self._settings.site)
        Server(app, self._stopping).run(sockets=[listener])

    def control_age_s(self) -> float:
        """See Health."""
        return self._control.age_s()

    def waiting(self) -> Mapping[str, int]:
        """See Health."""
        return {
            "control": self._control.backlog(),
            "records": self._recorder.waiting(),
            "telemetry": self._sink.waiting(),
        }

    def dropped(self) -> Mapping[str, int]:
        """See Health."""
        return {
            "records": self._recorder.dropped,
            "telemetry": self._sink.dropped,
            "messages": self._inbox.refused,
        }

    def _utc(self) -> datetime:
        return self._clock().utc

    def _lead(self, unsafe: list[str]) -> ControlThread:
        """Take over, restore what stands, and put the control thread around it."""
        engine = self._repositories.engine
        ledger = SqlLedger(engine, f"{self._settings.site}:{os.getpid()}", self._utc)
        takeover = ledger.take_over()
        state = restored_state(
            self._settings, self._topology, takeover, self._repositories, self._clock()
        )
        if unsafe:
            log.error("fail-safe not affordable: nothing is raised", problems=unsafe)
        state.hold_raises(unsafe)
        records = SqlRecords(engine, self._sink, self._utc)
        self._state = state
        self._recorder = Recorder(ledger, records, takeover.epoch, self._submit)
        outbox = Outbox(self._settings.site, self._transport, self._recorder.put)
        return ControlThread(
            state,
            carry_out=outbox.carry_out,
            observe=self._observe,
            clock=self._clock,
            tick_s=self._settings.control.tick_s,
        )

    def _submit(self, item: Input) -> None:
        self._control.submit(item)

    def _observe(self, snapshot: Snapshot) -> None:
        self._ring.observe(snapshot)
        self._sink.observe(snapshot)

    def _embedded_broker(self) -> EmbeddedBroker | None:
        broker = self._settings.broker
        if broker.mode == "external":
            return None
        started = EmbeddedBroker(
            self._settings.data_dir / "broker", credentials(self._settings), port=broker.port
        )
        started.start()
        return started

    def _mqtt(self) -> MqttTransport:
        broker, site = self._settings.broker, self._settings.site
        name = orchestrator_principal(site, self._settings.dsx.agent_id).name
        password = (
            read_secret(broker.password_file)
            if broker.password_file
            else ensure_secret(self._settings.secrets_dir, name)
        )
        address = MqttAddress(
            host=broker.host,
            port=self._broker.port if self._broker else broker.port,
            username=broker.username or name,
            password=password,
            tls_ca=broker.tls_ca,
        )
        return MqttTransport(address, client_id=f"{name}_{uuid4().hex[:8]}")

    def _event_id(self) -> str:
        """Short enough for people: day, time and four random digits."""
        return f"{self._utc():%m%d-%H%M%S}-{uuid4().hex[:4]}"

    def _build_ingest(self) -> Ingest:
        return Ingest(
            topology=self._topology,
            signals=self._repositories.signals,
            audit=self._repositories.audit,
            control=self._control,
            clock=self._utc,
            known=[kept.signal for kept in reversed(self._repositories.signals.list(KNOWN))],
            decode_targets=partial(_decode_targets, flex_config(self._settings.dsx)),
            alarms=self._settings.alarm_rules(),
        )

    def _build_flex(self) -> FlexStatus:
        return FlexStatus(
            agent_id=self._settings.dsx.agent_id,
            topology=self._topology,
            feeds=self._settings.dsx.feeds,
            control=self._control,
            transport=self._transport,
            signal_of=self._state.signals.get,
            key=own_key(self._settings.dsx),
        )

    def _build_meters(self) -> Mapping[str, Meter]:
        found: dict[str, Meter] = {}
        for meter in self._settings.meters:
            _, host, port = meter.source.split(":")
            found[meter.limit_id] = TwinMeter(TwinConnection(host, int(port)), meter.limit_id)
        return found

    def _leads(self) -> bool:
        return self._control.age_s() < FRESH_S and not self._state.superseded

    def _build_jobs(self) -> BackgroundScheduler:
        jobs = BackgroundScheduler(timezone=UTC)
        jobs.add_job(self._purge, "interval", hours=RETENTION_EVERY_H, max_instances=1)
        jobs.add_job(self._say_epoch, "interval", seconds=LEADER_SAYS_EVERY_S, max_instances=1)
        jobs.add_job(self._refits.check, "interval", seconds=DRIFT_EVERY_S, max_instances=1)
        return jobs

    def _purge(self) -> None:
        deleted = purge(
            self._repositories.engine,
            self._utc(),
            self._settings.retention_days,
            stopping=self._stopping.is_set,
        )
        log.info("old samples deleted", **deleted)

    def _greet(self) -> None:
        self._say_epoch()
        self._frontiers.publish()
        self._shed_tables.publish()

    def _say_epoch(self) -> None:
        said = codec.OrchestratorState(self._state.epoch, self._utc())
        topic = topics.orchestrator_state(self._settings.site)
        payload = codec.ORCHESTRATOR_STATE.encode(said)
        self._transport.publish(topic, payload, qos=1, retain=True)

    def _load_profiles(self) -> None:
        for path in self._settings.profiles:
            try:
                self._calibration.load(path.read_text(encoding="utf-8"))
            except (OSError, UnicodeDecodeError, BallastError) as error:
                log.warning("profile not loaded", path=str(path), reason=str(error))
        self._calibration.announce()

    def _context(self) -> ApiContext:
        store = self._repositories
        return ApiContext(
            topology=self._topology,
            control=self._control,
            clock=self._utc,
            doorman=Doorman(store.accounts, self._utc),
            ingest=self._ingest,
            operations=Operations(
                topology=self._topology,
                budgets=store.budgets,
                policies=store.policies,
                arming=store.arming,
                lockouts=store.lockouts,
                audit=store.audit,
                control=self._control,
                clock=self._utc,
            ),
            operator_events=OperatorEvents(self._topology, self._ingest, self._event_id),
            alarms=Alarms(self._ingest, store.signals, self._event_id),
            replay=Replay(store.decisions, encode),
            calibration=self._calibration,
            history=History(self._ring, store.reports),
            event_reports=EventReports(store.events, store.reports, self._topology),
            signals=store.signals,
            breaches=store.breaches,
            budgets=store.budgets,
            policies=store.policies,
            decisions=store.decisions,
            models=store.models,
            accounts=store.accounts,
            audit=store.audit,
            health=self,
            stopping=self._stopping,
        )


def _decode_targets(
    config: DsxFlexConfig, topic: str, payload: bytes, now: datetime
) -> SignalBatch:
    return decode_load_targets(topic, payload, config, now)


def serve(settings: Settings) -> None:
    """Run the service until SIGTERM or SIGINT.

    Its port is claimed before anything else, so that a second start by mistake changes nothing.
    """
    with claim(settings.http.host, settings.http.port) as listener:
        _run(settings, listener)


def _run(settings: Settings, listener: socket.socket) -> None:
    stopping = threading.Event()
    end_on_signals(stopping)
    service = Service(settings, stopping)
    try:
        service.start()
        service.serve_http(listener)
    finally:
        service.stop()
