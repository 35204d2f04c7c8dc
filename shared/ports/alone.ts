import { createControl } from '../connections/control.ts';
import { createMemoryPlaces } from '../connections/memory-places.ts';
import { ConnectionWriter } from '../connections/writer.ts';
import type { Emitter } from '../emitter/index.ts';
import { createMemoryEmitter } from '../emitter/memory.ts';
import { newProcessId } from '../liveness/process-id.ts';
import { createSoleLiveness } from '../liveness/sole.ts';
import { createPublisher, type Publisher } from '../messages/publisher.ts';
import { createDirectPositionLog } from '../position-log/direct.ts';
import type { GroupCommitEvents, WritePositions } from '../position-log/group-commit.ts';
import { newestPositions } from '../position-log/sql/newest-positions.ts';
import { Presence } from '../presence/presence.ts';
import { setDriverStatus } from '../presence/sql/set-driver-status.ts';
import { storedStatuses } from '../presence/sql/stored-statuses.ts';
import { DAY_MS } from '../schemas/time.ts';
import { createMemorySessionStore } from '../session-store/memory.ts';
import { lastMessageTime } from '../trips/sql/last-message-time.ts';
import { createDirectDoor } from '../trips/transition-door.ts';
import { startTrips } from '../trips/trips.ts';
import type { Base } from './base.ts';

/** What writes to the database, and publishes what has been committed of trips. */
export type Writer = {
  writePositions: WritePositions;
  events: GroupCommitEvents;
  wakeRelay(): void;
  stop(): Promise<void>;
};

/** How messages go out, and come in. */
export type Messages = { publisher: Publisher; emitter: Emitter };

/** The ports of the only process: all in memory, and what is admitted is committed by the process itself. */
export async function openAlone(base: Base, startWriter: (messages: Messages) => Promise<Writer>) {
  const { config, log, lifecycle, metrics, queries, revocations } = base;
  const emitter = createMemoryEmitter();
  lifecycle.started('emitter', () => new Promise<void>((resolve) => emitter.close(resolve)));
  const control = createControl(emitter);
  control.onRevoke((revocation) => revocations.add(revocation));
  const sessionStore = createMemorySessionStore(config.mqtt.limits.maxQueuedMessages, () =>
    metrics.dropped.count('queue_full'),
  );
  const publisher = createPublisher(emitter, sessionStore);
  // Before the writer starts, whose relay sends some itself
  const lastMessageAt = await lastMessageTime(queries);
  const writer = await startWriter({ publisher, emitter });
  lifecycle.started('ingest', () => writer.stop());
  const connectionLog = await ConnectionWriter.start({
    queries,
    liveness: createSoleLiveness(newProcessId()),
    log,
  });
  lifecycle.started('connections', () => connectionLog.stop());
  const presence = new Presence({
    publisher,
    save: (driverId, status, at) => setDriverStatus(queries, driverId, status, at),
    graceMs: config.offlineGraceMs,
    staleAfterMs: config.api.driverStaleAfterMs,
    log,
  });
  lifecycle.started('presence', () => presence.stop());
  await presence.restore(await storedStatuses(queries));
  const trips = await startTrips({
    queries,
    publisher,
    settings: config.trips,
    shared: undefined,
    lastMessageAt,
    circuits: base.circuits,
    setOnTrip: (driverId, onTrip) => presence.setOnTrip(driverId, onTrip),
    wakeRelay: writer.wakeRelay,
    log,
  });
  lifecycle.started('trips', () => trips.stop());
  control.onErase((erasure) => {
    if (erasure.kind === 'positions') trips.feed.erase(erasure.driverId, erasure.before);
  });
  const positionLog = createDirectPositionLog({
    ...config.admission,
    write: writer.writePositions,
    newest: await newestPositions(queries, Date.now() - config.admission.historyRetentionDays * DAY_MS),
    events: writer.events,
    tripOf: (driverId) => trips.active.ofDriver(driverId),
  });
  return {
    emitter,
    control,
    sessionStore,
    publisher,
    connectionLog,
    places: createMemoryPlaces(config.mqtt.maxConnectionsPerDriver),
    presence,
    trips,
    positionLog,
    transitions: createDirectDoor(trips.store),
    sharedCounts: undefined,
    untilStored: undefined,
    // Nothing is lost on the way from one part of a process to another
    onGap: (_listener: () => void) => undefined,
  };
}
